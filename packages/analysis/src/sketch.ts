/**
 * How numbers are distributed, in little memory: a count for each bucket of numbers that are close
 * to each other.
 *
 * The buckets are those of the bits of a 64-bit float: its sign, its exponent, and the first
 * {@link MANTISSA_BITS} bits of its mantissa. So a bucket is at most 1/64 as wide as its numbers
 * are large, and its middle is at most 1/128 (0.8 %) away from any of them. Whole numbers below 128
 * have a bucket each. A power of two has a page of 64 buckets, made when it is needed: 512 bytes.
 * At most 2 MiB are used, whatever the numbers are; durations of 1 ns to 1 h use 21 KiB.
 */

const MANTISSA_BITS = 6
const SLOTS = 2 ** MANTISSA_BITS
const EXPONENTS = 2048

/** The largest relative error of a quantile. */
export const QUANTILE_ERROR = 1 / 128

const float = new Float64Array(1)
const words = new Uint32Array(float.buffer)
/** Which of the two words has the exponent. */
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

type Page = Float64Array | undefined

/** How many bins a power of two has. */
const BINS = 4

/** How many numbers lie from `from` on and below `to`. */
export interface Bin {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Counts numbers. Any thread; one at a time. */
export class Sketch {
  /** Finite numbers that were counted. */
  count = 0
  /** Numbers that were not: NaN and the infinities. */
  notFinite = 0
  sum = 0
  /** Exact, also for a bigint. */
  min: number | bigint = Infinity
  /** Exact, also for a bigint. */
  max: number | bigint = -Infinity
  readonly #positive: Page[] = []
  readonly #negative: Page[] = []
  #zeros = 0
  #allWhole = true

  add(value: number | bigint): void {
    const number = Number(value)
    if (!Number.isFinite(number)) {
      this.notFinite += 1
      return
    }
    this.count += 1
    this.sum += number
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
    if (number === 0) {
      this.#zeros += 1
      return
    }
    if (this.#allWhole && !Number.isInteger(number)) this.#allWhole = false
    float[0] = number
    const high = words[HIGH] & 0x7fffffff
    const exponent = high >>> 20
    const pages = number > 0 ? this.#positive : this.#negative
    const page = (pages[exponent] ??= new Float64Array(SLOTS))
    page[(high >>> (20 - MANTISSA_BITS)) & (SLOTS - 1)] += 1
  }

  /** Adds the numbers of another sketch. */
  addAll(other: Sketch): void {
    this.count += other.count
    this.notFinite += other.notFinite
    this.sum += other.sum
    if (other.min < this.min) this.min = other.min
    if (other.max > this.max) this.max = other.max
    this.#zeros += other.#zeros
    this.#allWhole = this.#allWhole && other.#allWhole
    addPages(this.#positive, other.#positive)
    addPages(this.#negative, other.#negative)
  }

  get mean(): number {
    return this.sum / this.count
  }

  /**
   * Returns the number below or at which a part `q` of the numbers lies, at most
   * {@link QUANTILE_ERROR} away; NaN if there is none.
   */
  quantile(q: number): number {
    if (this.count === 0) return NaN
    let rank = Math.min(this.count, Math.max(1, Math.ceil(q * this.count)))
    if (rank === 1) return Number(this.min)
    if (rank === this.count) return Number(this.max)
    for (let exponent = this.#negative.length - 1; exponent >= 0; exponent -= 1) {
      const page = this.#negative[exponent]
      if (page === undefined) continue
      for (let slot = SLOTS - 1; slot >= 0; slot -= 1) {
        rank -= page[slot]
        if (rank <= 0) return this.#within(-this.#middle(exponent, slot))
      }
    }
    rank -= this.#zeros
    if (rank <= 0) return 0
    for (let exponent = 0; exponent < this.#positive.length; exponent += 1) {
      const page = this.#positive[exponent]
      if (page === undefined) continue
      for (let slot = 0; slot < SLOTS; slot += 1) {
        rank -= page[slot]
        if (rank <= 0) return this.#within(this.#middle(exponent, slot))
      }
    }
    return Number(this.max)
  }

  /**
   * Returns how many of the numbers lie where: four bins for each power of two, without the empty
   * ones. Numbers below 0 are left out; a bin from 0 to 0 has the zeros.
   */
  bins(): Bin[] {
    const bins: Bin[] = this.#zeros === 0 ? [] : [{ from: 0, to: 0, count: this.#zeros }]
    for (const [exponent, page] of this.#positive.entries()) {
      if (page === undefined) continue
      for (let slot = 0; slot < SLOTS; slot += SLOTS / BINS) {
        const end = slot + SLOTS / BINS
        const count = page.subarray(slot, end).reduce((sum, each) => sum + each, 0)
        if (count === 0) continue
        const to = lowest(exponent + (end === SLOTS ? 1 : 0), end % SLOTS)
        bins.push({ from: lowest(exponent, slot), to, count })
      }
    }
    return bins
  }

  /** The middle of the numbers of a bucket that there can be. */
  #middle(exponent: number, slot: number): number {
    const from = lowest(exponent, slot)
    const end = lowest(exponent + (slot === SLOTS - 1 ? 1 : 0), (slot + 1) % SLOTS)
    if (!this.#allWhole) return end === Infinity ? from : from + (end - from) / 2
    // In a bucket that is narrower than 1 only one whole number can be.
    return Math.floor((Math.ceil(from) + Math.ceil(end) - 1) / 2)
  }

  #within(value: number): number {
    return Math.max(Number(this.min), Math.min(Number(this.max), value))
  }
}

function addPages(to: Page[], from: readonly Page[]): void {
  for (const [exponent, page] of from.entries()) {
    if (page === undefined) continue
    const sum = (to[exponent] ??= new Float64Array(SLOTS))
    for (let slot = 0; slot < SLOTS; slot += 1) sum[slot] += page[slot]
  }
}

/** The lowest number of a bucket. */
function lowest(exponent: number, slot: number): number {
  if (exponent >= EXPONENTS - 1) return Infinity
  words[HIGH] = (exponent << 20) | (slot << (20 - MANTISSA_BITS))
  words[1 - HIGH] = 0
  return float[0]
}
