/**
 * The tracks of asynchronous spans of one name. Each span has a track for itself while it runs;
 * then another one can have it. Their begins come in the order of time.
 */
export class FreeLanes {
  /** How many there are. */
  get count(): number {
    return this.#until.length
  }

  /** Lanes that nobody has; the one that became free last is taken first. */
  readonly #free: number[] = []
  /** When each lane's last span ended. */
  readonly #until: bigint[] = []

  /** Takes a lane on which nothing is from a time on. */
  take(from: bigint): number {
    // One that begins now fits everywhere; one whose begin is missing began before.
    for (let index = this.#free.length - 1; index >= 0; index -= 1) {
      const lane = this.#free[index]
      if (this.#until[lane] > from) continue
      this.#free.splice(index, 1)
      return lane
    }
    return this.#until.push(from) - 1
  }

  /** Gives a lane back. */
  give(lane: number, until: bigint): void {
    this.#until[lane] = until
    this.#free.push(lane)
  }
}
