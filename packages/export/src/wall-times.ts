/** Times of the wall clock as text: ISO 8601 in UTC, with ns. */
import type { ItemSource } from '@rchan/ctf/reader'
import { numberOf } from './messages.js'

const SECOND = 1_000_000_000n

/** Makes texts of a trace's times, which mostly are of the same second. */
export class WallTimes {
  readonly #offset: bigint
  /** The second of the last time: its first ns, and that of the next one. */
  #from = 0n
  #to = 0n
  #text = ''

  constructor(source: Pick<ItemSource, 'wallClock'>) {
    this.#offset = source.wallClock(0n)
  }

  of(time: bigint): string {
    const ns = time + this.#offset
    if (ns < this.#from || ns >= this.#to) this.#setSecond(ns)
    if (this.#text === '') return String(ns)
    const rest = numberOf(ns - this.#from)
    // In two parts: texts of small numbers are made much faster.
    const high = Math.floor(rest / 100_000)
    return `${this.#text}${padded(high, 10_000)}${padded(rest - high * 100_000, 100_000)}Z`
  }

  #setSecond(ns: bigint): void {
    const second = ns / SECOND
    this.#from = second * SECOND
    this.#to = this.#from + SECOND
    const date = new Date(Number(second) * 1000)
    // Before 1970 and where there are no dates, ns are all that is said.
    this.#text = ns < 0n || Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, -4)
  }
}

/** Returns a number below `limit`, a power of 10, with zeros in front of it. */
function padded(number: number, limit: number): string {
  return String(number + limit).slice(1)
}
