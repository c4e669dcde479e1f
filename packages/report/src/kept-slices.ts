/**
 * The slices that a page shows: the longest of a trace, in bounded memory.
 *
 * Slices come in any number, and at most `most` are kept, fewer if their texts are long. When there
 * are more, the shorter half is left out: each of these counts in the sums of its name and in the
 * density of its thread. From then on nothing shorter than the shortest that was kept is taken, so
 * which slices are kept depends on their durations alone.
 */
import { Density } from './density.js'

/** A span on its thread. Times are ns since the first record. */
export interface Slice {
  /** In the order in which threads were seen. */
  readonly thread: number
  readonly isAsync: boolean
  readonly name: number
  readonly start: number
  readonly duration: number
  /** 0: ok, 1: failed, 2: cut. */
  readonly outcome: number
  /** Its fields as they are shown; empty without any. */
  readonly text: string
  /** The id of the task that it is the run of; −1 if it is none. */
  readonly task: number
}

interface Sum {
  count: number
  ns: number
}

/** There is room for so many characters of text for each slice. */
const TEXT = 64

/** Takes slices, and keeps the longest. */
export class KeptSlices {
  readonly densities = new Map<number, Density>()
  /** By name, what is left out. */
  readonly sums = new Map<number, Sum>()
  #slices: Slice[] = []
  #textLength = 0
  #mostText: number
  #shortest = 0
  #leftOut = 0
  #most: number

  constructor(most: number) {
    if (!Number.isSafeInteger(most) || most < 1) {
      throw new RangeError(`most=${most}: has to be a whole number, at least 1`)
    }
    this.#most = most
    this.#mostText = most * TEXT
  }

  /** Those that are kept. */
  get slices(): readonly Slice[] {
    return this.#slices
  }

  /** Slices shorter than this, in ns, are left out. */
  get shortest(): number {
    return this.#shortest
  }

  get leftOut(): number {
    return this.#leftOut
  }

  add(slice: Slice): void {
    if (slice.duration < this.#shortest) return this.#leaveOut(slice)
    this.#slices.push(slice)
    this.#textLength += slice.text.length
    this.#makeRoom()
  }

  /** Keeps half as many from now on. */
  shrink(): void {
    this.#most = Math.max(1, Math.min(this.#most, this.#slices.length) >> 1)
    this.#mostText = Math.min(this.#mostText, this.#textLength) >> 1
    this.#makeRoom()
  }

  #makeRoom(): void {
    while (this.#slices.length > this.#most || this.#textLength > this.#mostText) this.#halve()
  }

  #halve(): void {
    const sorted = Float64Array.from(this.#slices, ({ duration }) => duration).sort()
    const median = sorted[sorted.length >> 1]
    // Equal durations go together, so that it makes no difference which of them came first.
    this.#shortest = median > sorted[0] ? median : Math.floor(median) + 1
    const kept: Slice[] = []
    let textLength = 0
    for (const slice of this.#slices) {
      if (slice.duration >= this.#shortest) {
        kept.push(slice)
        textLength += slice.text.length
      } else this.#leaveOut(slice)
    }
    this.#slices = kept
    this.#textLength = textLength
  }

  #leaveOut({ thread, name, start, duration, isAsync }: Slice): void {
    this.#leftOut += 1
    const sum = this.sums.get(name)
    if (sum === undefined) this.sums.set(name, { count: 1, ns: duration })
    else {
      sum.count += 1
      sum.ns += duration
    }
    if (isAsync) return
    let density = this.densities.get(thread)
    if (density === undefined) this.densities.set(thread, (density = new Density()))
    density.add(start, duration)
  }
}
