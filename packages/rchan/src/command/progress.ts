/** How far a long piece of work is, on standard error, where that is a terminal. */
import type {
  FollowOptions,
  FollowSource,
  ItemOptions,
  ItemSource,
  Trace,
  TraceItem,
  TraceSet,
} from '@rchan/ctf/reader'

/** How often the line is written anew, in milliseconds. */
const EVERY_MS = 200
/** Items between two looks at the clock. */
const LOOK_ITEMS = 4096

/** A trace whose items are counted while somebody reads them. */
export class CountedSource implements ItemSource, FollowSource {
  count = 0
  hasEvents = false
  /** Records that were lost in the recording. */
  lost = 0
  readonly #source: ItemSource & FollowSource
  #start: bigint | undefined
  /** Time of the last item, if it is known. */
  readonly #end: bigint | undefined
  readonly #isShown = process.stderr.isTTY
  #next = performance.now() + EVERY_MS
  #width = 0

  constructor(trace: Trace | TraceSet) {
    this.#source = trace
    const ends = ('traces' in trace ? trace.traces : [trace]).map(({ facts }) => facts?.end)
    this.#end = ends.reduce((latest, end) => {
      return latest === undefined || end === undefined || end < latest ? latest : end
    })
  }

  /** What to say of events that are not there. */
  get lossText(): string | undefined {
    if (this.lost === 0) return undefined
    return `${this.lost} ${this.lost === 1 ? 'event was' : 'events were'} lost while this was recorded`
  }

  wallClock(time: bigint): bigint {
    return this.#source.wallClock(time)
  }

  *items(options?: ItemOptions): Iterable<TraceItem> {
    // A picture reads the trace twice.
    this.count = 0
    this.lost = 0
    try {
      for (const item of this.#source.items(options)) {
        this.#add(item)
        yield item
      }
    } finally {
      this.#clear()
    }
  }

  async *follow(options?: FollowOptions): AsyncIterable<TraceItem> {
    try {
      for await (const item of this.#source.follow(options)) {
        this.#add(item)
        yield item
      }
    } finally {
      this.#clear()
    }
  }

  #add(item: TraceItem): void {
    this.count += 1
    if (item.type === 'loss') this.lost += item.events
    else if (!this.hasEvents && 'event' in item) this.hasEvents = true
    this.#start ??= item.time
    if (this.#isShown && this.count % LOOK_ITEMS === 0) this.#show(this.#start, item.time)
  }

  /** Removes the line. */
  #clear(): void {
    if (this.#width > 0) process.stderr.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }

  #show(start: bigint, time: bigint): void {
    if (performance.now() < this.#next) return
    this.#next = performance.now() + EVERY_MS
    const whole = this.#end === undefined ? 0n : this.#end - start
    const part = whole > 0n ? `${Math.min(100, Number(((time - start) * 100n) / whole))} %, ` : ''
    const text = `${part}${this.count.toLocaleString('en-US')} items`
    process.stderr.write(`\r${text.padEnd(this.#width)}`)
    this.#width = text.length
  }
}
