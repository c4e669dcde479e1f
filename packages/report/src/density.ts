/**
 * How much of each part of the time something took, in bounded memory: when the time becomes
 * longer, two parts become one.
 */

const PARTS = 1024
const FIRST_NS = 1024

/** Sums durations by time. Times are ns. */
export class Density {
  readonly #sums = new Float64Array(PARTS)
  #width = FIRST_NS

  /** @param start at least 0; what began before counts there. */
  add(start: number, duration: number): void {
    const from = Math.max(0, start)
    while (from >= this.#width * PARTS) this.#merge()
    this.#sums[Math.floor(from / this.#width)] += duration
  }

  /** Returns for `parts` equal parts of a time which part of each it took, in ‰. */
  within(from: number, to: number, parts: number): Float64Array {
    const result = new Float64Array(parts)
    const width = Math.max(1, to - from) / parts
    for (let part = 0; part < PARTS; part += 1) {
      if (this.#sums[part] === 0) continue
      // A sum is spread over the parts that it lies in.
      const start = part * this.#width
      const first = Math.max(0, Math.floor((start - from) / width))
      const last = Math.min(parts - 1, Math.floor((start + this.#width - 1 - from) / width))
      for (let index = first; index <= last; index += 1) {
        const overlap =
          Math.min(start + this.#width, from + (index + 1) * width) - Math.max(start, from + index * width)
        result[index] += (this.#sums[part] * Math.max(0, overlap)) / this.#width / width
      }
    }
    return result.map((part) => Math.min(1000, Math.ceil(part * 1000)))
  }

  #merge(): void {
    const sums = this.#sums
    for (let part = 0; part < PARTS / 2; part += 1) sums[part] = sums[part * 2] + sums[part * 2 + 1]
    sums.fill(0, PARTS / 2)
    this.#width *= 2
  }
}
