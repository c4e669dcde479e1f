/**
 * Whether spans nest: those on one track of a viewer must. Spans come when they have ended, so a
 * span comes after those that it contains; those that a program records late may come at any time.
 *
 * A {@link Nest} is one track. It knows the spans on it that are in no other one: disjoint
 * intervals, sorted. A new span that contains some of them takes their place; one that overlaps one
 * of them does not fit. {@link Lanes} has as many nests as are needed.
 *
 * Memory is bounded: a nest that has {@link MOST} intervals joins neighbours. A span that begins in
 * the middle of joined ones may or may not overlap, so it is taken not to fit. Low ones are joined
 * first (a span without others in it has height 0), and never across a higher one. So what a long
 * span has in it is joined before the long spans next to it are, and the long span fits when it
 * comes at last.
 */

const MOST = 16_384
/** Nests of a thread. More spans at the same time than that get a track each. */
const MOST_LANES = 256

/** How a viewer sorts the begins and ends of a track that have the same time. */
export type Ties =
  /** By the order in which they are written. */
  | 'as-written'
  /** So that they nest. */
  | 'nested'

/** Intervals of a nest at first. */
const LEAST = 16

/** One track. */
export class Nest {
  // Lists of numbers by themselves, which have room for more: what is read is one element each.
  #starts = new Float64Array(LEAST)
  #ends = new Float64Array(LEAST)
  #heights = new Float64Array(LEAST)
  /** Whether an interval is one span, or several joined ones. */
  #single = new Uint8Array(LEAST)
  #count = 0
  /** The last end; −Infinity if there is none. */
  #end = -Infinity
  readonly #ties: Ties
  readonly #most: number

  constructor(ties: Ties, most = MOST) {
    this.#ties = ties
    this.#most = most
  }

  /** Puts a span on the track. @returns whether it fits; if not, it isn't there. */
  fits(start: number, end: number): boolean {
    // Its begin and its end are written together, with nothing between them.
    if (end <= start) return true
    const count = this.#count
    if (start >= this.#end) {
      // Nearly always: it comes behind all others.
      this.#put(count, start, end, 0)
      this.#count = count + 1
      if (count === this.#most) this.#join()
      return true
    }
    const starts = this.#starts
    const ends = this.#ends
    const first = firstAbove(ends, count, start)
    let after = first
    let height = 0
    if (starts[first] < end) {
      if (starts[first] < start) return false
      if (starts[first] === start && !this.#tiesWith(first, end)) return false
      for (; after < count && starts[after] < end; after += 1) {
        if (ends[after] > end) return false
        height = Math.max(height, this.#heights[after] + 1)
      }
    }
    // The begin of the later one is written already, and would come before the end of this one.
    if (after < count && starts[after] === end && this.#ties === 'as-written') return false
    if (after === first) this.#makeRoom(first)
    else this.#drop(first + 1, after)
    this.#put(first, start, end, height)
    if (this.#count > this.#most) this.#join()
    return true
  }

  /** Whether a span that begins where an interval does, and ends at `end`, is sorted right. */
  #tiesWith(index: number, end: number): boolean {
    if (this.#ties === 'nested') return true
    // The begin of the inner one is written already. Of equal ones either may be the inner one.
    return this.#single[index] === 1 && this.#ends[index] === end
  }

  /** Sets an interval, that of one span. */
  #put(index: number, start: number, end: number, height: number): void {
    if (index === this.#starts.length) this.#grow()
    this.#starts[index] = start
    this.#ends[index] = end
    this.#heights[index] = height
    this.#single[index] = 1
    if (end > this.#end) this.#end = end
  }

  #grow(): void {
    const length = this.#starts.length * 2
    this.#starts = grown(this.#starts, new Float64Array(length))
    this.#ends = grown(this.#ends, new Float64Array(length))
    this.#heights = grown(this.#heights, new Float64Array(length))
    this.#single = grown(this.#single, new Uint8Array(length))
  }

  /** Makes room for an interval before those from an index on. */
  #makeRoom(index: number): void {
    if (this.#count === this.#starts.length) this.#grow()
    for (const list of this.#lists) list.copyWithin(index + 1, index, this.#count)
    this.#count += 1
  }

  /** Takes out the intervals from `from` up to `to`. */
  #drop(from: number, to: number): void {
    if (from === to) return
    for (const list of this.#lists) list.copyWithin(from, to, this.#count)
    this.#count -= to - from
  }

  get #lists(): (Float64Array | Uint8Array)[] {
    return [this.#starts, this.#ends, this.#heights, this.#single]
  }

  /** Joins neighbours in the older half, so that at most half of them stay. */
  #join(): void {
    const starts = this.#starts
    const ends = this.#ends
    const heights = this.#heights
    const single = this.#single
    const half = this.#count >> 1
    let kept = half
    for (let most = 0; kept > half >> 1; most += 1) {
      const older = kept
      kept = 0
      for (let index = 0; index < older; index += 1) {
        const isLow = heights[index] <= most
        if (isLow && kept > 0 && heights[kept - 1] <= most) {
          ends[kept - 1] = ends[index]
          heights[kept - 1] = Math.max(heights[kept - 1], heights[index])
          single[kept - 1] = 0
        } else {
          starts[kept] = starts[index]
          ends[kept] = ends[index]
          heights[kept] = heights[index]
          single[kept] = single[index]
          kept += 1
        }
      }
    }
    this.#drop(kept, half)
  }
}

function grown<List extends Float64Array | Uint8Array>(list: List, to: List): List {
  to.set(list)
  return to
}

/** The tracks of one thread. */
export class Lanes {
  readonly #nests: Nest[]
  readonly #ties: Ties

  constructor(ties: Ties) {
    this.#ties = ties
    this.#nests = [new Nest(ties)]
  }

  /** Finds a lane for a span. @returns its number; −1 if the span must have a track of its own. */
  place(start: number, end: number): number {
    const nests = this.#nests
    for (let lane = 0; lane < nests.length; lane += 1) if (nests[lane].fits(start, end)) return lane
    if (nests.length === MOST_LANES) return -1
    const nest = new Nest(this.#ties)
    nest.fits(start, end)
    return nests.push(nest) - 1
  }
}

/** Finds the first end above a time; the last one is. */
function firstAbove(ends: Float64Array, count: number, time: number): number {
  let high = count - 1
  // Nearly all others contain the last ones.
  if (high === 0 || ends[high - 1] <= time) return high
  let low = 0
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ends[middle] > time) high = middle
    else low = middle + 1
  }
  return low
}
