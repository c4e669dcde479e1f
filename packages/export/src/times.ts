/** Times as numbers, which compare and subtract without making objects. */

/** Makes numbers of times. They are exact for 100 days around the first one. */
export class Times {
  #base: bigint | undefined
  /** A machine that is up for less than 50 days: the clock's own numbers are small enough. */
  #areSmall = false

  /**
   * Whether safe numbers are the times themselves. As such they are written faster than bigints.
   */
  get areExact(): boolean {
    return this.#areSmall
  }

  of(time: bigint): number {
    if (this.#areSmall) return Number(time)
    if (this.#base === undefined) {
      this.#base = time
      this.#areSmall = time < 2n ** 52n
      return this.of(time)
    }
    return Number(time - this.#base)
  }
}
