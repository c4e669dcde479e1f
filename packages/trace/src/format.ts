/**
 * The trace's side of the consumer: makes each packet's header and keeps the metadata on disk ahead of the packets.
 * Runs on the consumer thread, which loads it by URL.
 *
 * The records themselves are never touched. A complete sub-buffer's header comes from its owner; what only the
 * consumer knows is set in a copy of it: the packet's number in the stream, and what was lost on the way. A part of
 * a sub-buffer gets a header for just its bytes, after walking them from record to record. For the stream of a global
 * buffer see global-stream.ts.
 */
import {
  align,
  EVENT_ID_OFFSET,
  layoutRecord,
  metadataText,
  PACKET,
  PACKET_HEADER_BYTES,
  PACKET_MAGIC,
  parseSchema,
  RECORD_ALIGN_BYTES,
  recordEnd,
  loadU64,
  storeSizes,
  storeU64,
  type EventClass,
  type MetadataInput,
  type RecordLayout,
} from '@rchan/ctf'
import {
  Arena,
  Control,
  type CreateFormat,
  type PacketFormat,
  type PacketStream,
  type SealedPacket,
  type Span,
} from '@rchan/runtime'
import { chmodSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { clockOffset, now } from './clock.js'
import { GlobalStream } from './global-stream.js'
import { UUID_BYTES } from './packet.js'
import { later, u32View, u64View, type Layouts } from './span.js'

/** What the recording hands to this module: everything of the metadata but the events, and where the clock's zero is. */
export type FormatInit = Omit<MetadataInput, 'events' | 'clock'> & {
  readonly clock: Partial<MetadataInput['clock']>
}

/** See runtime's `CreateFormat`. */
export const createFormat: CreateFormat = (init, shared): PacketFormat => {
  const arena = Arena.attach(shared.arena)
  const events = new EventTable(new Control(shared.control), arena.global !== undefined)
  const uuid = arena.client.slice(0, UUID_BYTES)
  const given = init as FormatInit
  const clock = { ...clockOffset(), ...given.clock }
  const metadata = new MetadataFile(shared.folder, { ...given, clock })
  const start = now()
  return {
    prepare(): void {
      events.update()
      metadata.write(events.classes)
    },
    stream: (cpu) =>
      cpu === undefined
        ? new GlobalStream(uuid, start, events.layouts)
        : new Stream(cpu, uuid, events.layouts),
  }
}

/** The event classes of the tracepoint table, as far as they are known on this thread. */
class EventTable {
  readonly classes: EventClass[] = []
  readonly layouts: (RecordLayout | undefined)[] = []
  readonly #control: Control
  readonly #global: boolean
  #next: ReturnType<Control['entries']>['next'] | undefined
  #waiting: { id: number; at: number }[] = []

  constructor(control: Control, global: boolean) {
    this.#control = control
    this.#global = global
  }

  update(): void {
    const { found, next, waiting } = this.#control.entries(this.#next)
    this.#next = next
    for (const { id, text } of found) this.#add(id, text)
    if (this.#waiting.length === 0 && waiting.length === 0) return
    // Entries whose declarer is not done yet, or died over it: then nobody ever traces with them.
    this.#waiting = [...this.#waiting, ...waiting].filter(({ id, at }) => {
      const text = this.#control.textAt(at)
      if (text !== undefined) this.#add(id, text)
      return text === undefined
    })
  }

  #add(id: number, text: string): void {
    const schema = parseSchema(text)
    if (schema === undefined) return
    this.classes.push({ id, ...schema })
    this.layouts[id] = layoutRecord(schema.fields, this.#global)
  }
}

/** The file `metadata`, replaced by rename, so that a reader finds it whole at any time. */
class MetadataFile {
  readonly #folder: string
  readonly #init: Omit<MetadataInput, 'events'>
  #written = -1

  constructor(folder: string, init: Omit<MetadataInput, 'events'>) {
    this.#folder = folder
    this.#init = init
  }

  write(events: readonly EventClass[]): void {
    if (events.length === this.#written) return
    const draft = `${this.#folder}/.metadata`
    writeFileSync(draft, metadataText({ ...this.#init, events }), { mode: 0o600 })
    // A strict umask takes rights of its owner away.
    if ((statSync(draft).mode & 0o600) !== 0o600) chmodSync(draft, 0o600)
    renameSync(draft, `${this.#folder}/metadata`)
    this.#written = events.length
  }
}

/** The packets of one CPU's stream. */
class Stream implements PacketStream {
  readonly #cpu: number
  readonly #uuid: Uint8Array
  readonly #layouts: Layouts
  readonly #header = new Uint8Array(PACKET_HEADER_BYTES)
  readonly #u32 = new Uint32Array(this.#header.buffer)
  readonly #u64 = new BigUint64Array(this.#header.buffer)
  /** Of the packet written last; `#sealed…`: of the one that is sealed and may be written next. */
  #sequence = 0
  #endTime = 0n
  #lost = 0
  #sealedEndTime = 0n
  #sealedLost = 0

  constructor(cpu: number, uuid: Uint8Array, layouts: Layouts) {
    this.#cpu = cpu
    this.#uuid = uuid
    this.#layouts = layouts
  }

  head(subbuf: Uint8Array | undefined): Uint8Array {
    const time = subbuf === undefined ? now() : u64View(subbuf)[PACKET.timestampBegin >> 3]
    this.#sequence = 0
    this.#endTime = time
    const packet = this.#empty(time, 0, subbuf === undefined ? 0 : u32View(subbuf)[PACKET.generation >> 2])
    this.#sequence = 1
    return packet
  }

  seal(span: Span, _generation: number, discarded: number, lost: number): SealedPacket {
    // In bytes of the sub-buffer; a packet starts its records on a multiple of 8, as the sub-buffer does.
    const from = align(span.from, RECORD_ALIGN_BYTES)
    const u64 = u64View(span.bytes)
    const walked = span.complete ? undefined : this.#walk(span, from, u64)
    const records = walked === undefined ? span.records : walked.records
    const end = Math.max(walked === undefined ? span.end : walked.end, from)
    this.#header.set(span.bytes.subarray(0, PACKET_HEADER_BYTES))
    const begin = this.#u64[PACKET.timestampBegin >> 3]
    // Packets don't overlap: the rest of a sub-buffer begins where the part before it ended.
    this.#u64[PACKET.timestampBegin >> 3] = later(begin, this.#endTime)
    const ended = walked === undefined ? this.#u64[PACKET.timestampEnd >> 3] : walked.lastTime
    this.#sealedEndTime = later(ended, this.#u64[PACKET.timestampBegin >> 3])
    this.#u64[PACKET.timestampEnd >> 3] = this.#sealedEndTime
    const refused = span.complete ? loadU64(this.#u32, PACKET.eventsDiscarded) : discarded
    // A count that went back would be read as 2^64 losses.
    this.#sealedLost = Math.max(this.#lost, refused + lost)
    storeU64(this.#u32, PACKET.eventsDiscarded, this.#sealedLost)
    storeU64(this.#u32, PACKET.sequence, this.#sequence)
    const packetBytes = storeSizes(this.#u32, 0, PACKET_HEADER_BYTES + end - from)
    const bytes = span.bytes.subarray(from, from + packetBytes - PACKET_HEADER_BYTES)
    return { pieces: [this.#header, bytes], end, records }
  }

  written(): void {
    this.#sequence += 1
    this.#endTime = this.#sealedEndTime
    this.#lost = this.#sealedLost
  }

  tail(generation: number, lost: number): Uint8Array {
    return this.#empty(later(now(), this.#endTime), Math.max(this.#lost, lost), generation)
  }

  /** A packet without records. */
  #empty(time: bigint, lost: number, generation: number): Uint8Array {
    this.#u32.fill(0)
    this.#u32[PACKET.magic >> 2] = PACKET_MAGIC
    this.#header.set(this.#uuid, PACKET.uuid)
    storeU64(this.#u32, PACKET.streamInstanceId, this.#cpu)
    this.#u64[PACKET.timestampBegin >> 3] = time
    this.#u64[PACKET.timestampEnd >> 3] = time
    storeU64(this.#u32, PACKET.sequence, this.#sequence)
    storeU64(this.#u32, PACKET.eventsDiscarded, lost)
    this.#u32[PACKET.cpuId >> 2] = this.#cpu
    this.#u32[PACKET.generation >> 2] = generation
    storeSizes(this.#u32, 0, PACKET_HEADER_BYTES)
    return this.#header
  }

  /** Goes from record to record, distrusting each: the thread that wrote them may have died. */
  #walk(span: Span, from: number, u64: BigUint64Array): { records: number; end: number; lastTime: bigint } {
    const u32 = u32View(span.bytes)
    let records = 0
    let end = span.from
    let lastTime = this.#endTime
    for (let at = from; at + EVENT_ID_OFFSET + 4 <= span.end; at = align(end, RECORD_ALIGN_BYTES)) {
      const time = u64[at >> 3]
      const layout = this.#layouts[u32[(at + EVENT_ID_OFFSET) >> 2]]
      if (layout === undefined || time < lastTime) break
      const next = recordEnd(layout, span.bytes, at, span.end)
      if (next < 0) break
      records += 1
      lastTime = time
      end = next
    }
    return { records, end, lastTime }
  }
}
