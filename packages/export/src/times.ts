/** Times as numbers, which compare and subtract without making objects. */
import { numberOf } from './messages.js'

/** Makes numbers of times. They are exact for 100 days around the first one. */
export class Times {
  #base: bigint | undefined
  /** A machine that is up for less than 50 days: the clock's own numbers are small enough. */
  #areSmall = false

  of(time: bigint): number {
    if (this.#areSmall) return numberOf(time)
    if (this.#base === undefined) {
      this.#base = time
      this.#areSmall = time < 2n ** 52n
      return this.of(time)
    }
    return Number(time - this.#base)
  }
}
