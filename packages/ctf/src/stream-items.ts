/**
 * The items of one stream, in the order of its files: the records, as what their kinds mean, and
 * between them what the packets tell of losses and gaps. Keeps one packet in memory. Synchronous,
 * on any thread.
 */
import type { RecordedItem, TraceItem, TraceThread } from './items.js'
import type { EventClass } from './schema.js'
import { ALL_CPUS, type PacketHeader } from './stream.js'
import type { StreamReader, TraceSource } from './trace-source.js'

/** Which of a stream's items are wanted. */
export interface StreamFilter {
  readonly from: bigint | undefined
  readonly to: bigint | undefined
  readonly wants: (thread: TraceThread, event: EventClass) => boolean
}

export class StreamItems {
  /** The item that {@link next} found. */
  item: TraceItem | undefined
  #paths: readonly string[]
  readonly #source: TraceSource
  readonly #filter: StreamFilter
  readonly #isLive: () => boolean
  /** What the last packet header told, and is not passed on yet. */
  #told: TraceItem[] = []
  #previous: PacketHeader | undefined
  #reader: StreamReader | undefined
  #nextPath = 0
  /** Nothing behind this is wanted. */
  #isOver = false

  /** @param paths the files of the stream, in their order. */
  constructor(
    paths: readonly string[],
    source: TraceSource,
    filter: StreamFilter,
    isLive: () => boolean = () => false,
  ) {
    this.#paths = paths
    this.#source = source
    this.#filter = filter
    this.#isLive = isLive
  }

  close(): void {
    this.#reader?.close()
    this.#reader = undefined
  }

  /**
   * Takes the files of the stream again: a live one goes on in further files, each when the one
   * before it is whole.
   */
  goOn(paths: readonly string[]): void {
    if (!this.#isOver) this.#paths = paths
  }

  /** Steps to the next item. @returns whether there is one (of a live stream: yet). */
  next(): boolean {
    for (;;) {
      if (this.#told.length > 0) {
        this.item = this.#told.shift()
        return true
      }
      const reader = this.#open()
      if (reader === undefined) break
      const found = reader.step(this.#isLive(), this.#filter.from)
      if (found === 'end') {
        const hasMore = this.#nextPath < this.#paths.length
        if (!hasMore && this.#isLive()) break
        this.close()
        if (!hasMore) break
      } else if (found === 'packet') this.#tell(reader.header as PacketHeader)
      else {
        const { from, to } = this.#filter
        const item = reader.item as RecordedItem
        if (to !== undefined && item.time >= to) {
          this.close()
          this.#nextPath = this.#paths.length
          this.#isOver = true
          break
        }
        if (from !== undefined && item.time < from) continue
        if (!this.#filter.wants(item.thread, item.event)) continue
        this.item = item as TraceItem
        return true
      }
    }
    this.item = undefined
    return false
  }

  #open(): StreamReader | undefined {
    if (this.#reader === undefined && this.#nextPath < this.#paths.length) {
      this.#reader = this.#source.open(this.#paths[this.#nextPath])
      this.#nextPath += 1
    }
    return this.#reader
  }

  /** Notes the losses that a packet tells of: since the packet before it. */
  #tell(header: PacketHeader): void {
    const previous = this.#previous
    this.#previous = header
    const { cpu, timestampBegin, timestampEnd } = header
    const from = previous?.timestampEnd ?? timestampBegin
    const packets = header.sequence - (previous === undefined ? 0 : previous.sequence + 1)
    const events = header.eventsDiscarded - (previous?.eventsDiscarded ?? 0)
    if (packets > 0) this.#add({ type: 'gap', time: timestampBegin, from, to: timestampBegin, cpu, packets })
    if (events > 0) {
      const { threadId } = header
      const isKnown = cpu !== ALL_CPUS && threadId >= 0
      const thread = isKnown ? this.#source.threadOf(threadId, cpu, header.generation) : undefined
      this.#add({ type: 'loss', time: timestampBegin, from, to: timestampEnd, thread, cpu, events })
    }
  }

  #add(item: TraceItem): void {
    const { from, to } = this.#filter
    const isIn = (from === undefined || item.time >= from) && (to === undefined || item.time < to)
    if (isIn) this.#told.push(item)
  }
}
