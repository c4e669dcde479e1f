/** Times of the wall clock as text: ISO 8601 in UTC, with ns. */
import type { ItemSource } from '@rchan/ctf/reader'

const SECOND = 1_000_000_000n

/** Makes texts of a trace's times, which mostly are of the same second. */
export class WallTimes {
  readonly #offset: bigint
  #second: bigint | undefined
  #text = ''

  constructor(source: Pick<ItemSource, 'wallClock'>) {
    this.#offset = source.wallClock(0n)
  }

  of(time: bigint): string {
    const ns = time + this.#offset
    const second = ns / SECOND
    if (second !== this.#second) {
      this.#second = second
      const date = new Date(Number(second) * 1000)
      this.#text = Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, -4)
    }
    return this.#text === '' ? String(ns) : `${this.#text}${String(ns % SECOND).padStart(9, '0')}Z`
  }
}
