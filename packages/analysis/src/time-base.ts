/** Times as numbers: ns since the first item of a recording. */

/** What they are counted from. */
export class TimeBase {
  #base: bigint | undefined

  /** Notes the time of an item: the first one counts. */
  begin(time: bigint): void {
    this.#base ??= time
  }

  /** The time of the first item; 0 without items. */
  get base(): bigint {
    return this.#base ?? 0n
  }

  at(time: bigint): number {
    return Number(time - this.base)
  }
}
