/**
 * How much of a thread's time is in spans, where nested spans count once: the length of the union
 * of intervals, in bounded memory.
 *
 * Spans come when they have ended, so a span comes after those that it contains, and takes their
 * place. The list holds disjoint intervals, sorted. When it has {@link MOST}, neighbours of the
 * older half become one interval each, which knows how much of it is covered. So the result is
 * exact, unless a later span begins inside of such an interval; then the part of it that the span
 * doesn't cover is taken to be covered evenly.
 */

const MOST = 4096

/** Adds up intervals. Times are numbers, counted from wherever the caller likes. */
export class Coverage {
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #covered: number[] = []

  /** The length of what is covered. */
  get length(): number {
    let sum = 0
    for (const covered of this.#covered) sum += covered
    return sum
  }

  /** From the start of the first interval to the end of the last one; undefined: there is none. */
  get extent(): { readonly from: number; readonly to: number } | undefined {
    const to = this.#ends.at(-1)
    return to === undefined ? undefined : { from: this.#starts[0], to }
  }

  /** How many intervals are known apart. */
  get intervals(): number {
    return this.#starts.length
  }

  add(start: number, end: number): void {
    if (!(end > start)) return
    const starts = this.#starts
    const ends = this.#ends
    const first = this.#firstThatEndsAfter(start)
    let after = first
    while (after < starts.length && starts[after] < end) after += 1
    if (after === first) {
      starts.splice(first, 0, start)
      ends.splice(first, 0, end)
      this.#covered.splice(first, 0, end - start)
      if (starts.length > MOST) this.#coarsen()
      return
    }
    const last = after - 1
    const covered = end - start + this.#part(first, -Infinity, start) + this.#part(last, end, Infinity)
    const from = Math.min(start, starts[first])
    const to = Math.max(end, ends[last])
    starts.splice(first, after - first, from)
    ends.splice(first, after - first, to)
    this.#covered.splice(first, after - first, covered)
  }

  /** Adds the intervals of another one. What it knows together is taken to be covered all over. */
  addAll(other: Coverage): void {
    for (const [index, start] of other.#starts.entries()) this.add(start, other.#ends[index])
  }

  /** How much of an interval is covered between two times. */
  #part(index: number, from: number, to: number): number {
    const start = this.#starts[index]
    const end = this.#ends[index]
    const length = Math.min(to, end) - Math.max(from, start)
    return length <= 0 ? 0 : (this.#covered[index] * length) / (end - start)
  }

  #firstThatEndsAfter(time: number): number {
    const ends = this.#ends
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ends[middle] > time) high = middle
      else low = middle + 1
    }
    return low
  }

  #coarsen(): void {
    const pairs = MOST >> 2
    for (let pair = 0; pair < pairs; pair += 1) {
      this.#starts[pair] = this.#starts[pair * 2]
      this.#ends[pair] = this.#ends[pair * 2 + 1]
      this.#covered[pair] = this.#covered[pair * 2] + this.#covered[pair * 2 + 1]
    }
    this.#starts.splice(pairs, pairs)
    this.#ends.splice(pairs, pairs)
    this.#covered.splice(pairs, pairs)
  }
}
