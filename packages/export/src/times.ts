/** Times as numbers, which compare and subtract without making objects. */

/** Makes numbers of times. They are exact for 100 days around the first one. */
export class Times {
  #base: bigint | undefined

  of(time: bigint): number {
    // A machine that is up for less than 50 days: the clock's own numbers are small enough.
    this.#base ??= time < 2n ** 52n ? 0n : time
    return this.#base === 0n ? Number(time) : Number(time - this.#base)
  }
}
