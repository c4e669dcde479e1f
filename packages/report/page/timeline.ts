/** What the page was given, with what is needed to find things in it. */
import { bisectLeft, bisectRight } from 'd3-array'
import type { Lane, PageData } from '../src/page-data.js'

/** Of so many slices the longest is known. */
const BLOCK = 64
/** What collections are called. */
export const GC = 'gc'

/** A row's lanes, events and stalls, by thread. */
export interface ThreadParts {
  readonly lanes: readonly Lane[]
  /** Of its events. */
  readonly events: readonly [first: number, after: number]
}

/** The data of a page. Times are ns since the first record. */
export class Timeline {
  readonly data: PageData
  readonly ends: Float64Array
  /** By thread. */
  readonly parts: readonly ThreadParts[]
  /** The slice of a task's run. */
  readonly sliceOfTask: ReadonlyMap<number, number>
  /** Names of slices, the one that took most time first. Collections have a colour anyway. */
  readonly ranked: readonly number[]
  /** By name, its place in `ranked`. */
  readonly ranks: ReadonlyMap<number, number>
  /** Sums of the durations before each slice. */
  readonly #sums: Float64Array
  /** The longest slice of each block. */
  readonly #longest: Uint32Array
  /** Flow points by thread and time. */
  readonly #points: Uint32Array
  readonly #pointKeys: readonly { readonly first: number; readonly after: number }[]

  constructor(data: PageData) {
    this.data = data
    const { start, duration, name, task } = data.slices
    const count = start.length
    this.ends = start.map((each, index) => each + duration[index])
    this.#sums = new Float64Array(count + 1)
    this.#longest = new Uint32Array(Math.ceil(count / BLOCK))
    const totals = new Map<number, number>()
    const sliceOfTask = new Map<number, number>()
    for (let slice = 0; slice < count; slice += 1) {
      this.#sums[slice + 1] = this.#sums[slice] + duration[slice]
      const block = Math.floor(slice / BLOCK)
      if (slice % BLOCK === 0 || duration[slice] > duration[this.#longest[block]])
        this.#longest[block] = slice
      totals.set(name[slice], (totals.get(name[slice]) ?? 0) + duration[slice])
      if (task[slice] >= 0) sliceOfTask.set(task[slice], slice)
    }
    this.sliceOfTask = sliceOfTask
    totals.delete(data.names.indexOf(GC))
    this.ranked = [...totals].sort(([, a], [, b]) => b - a).map(([each]) => each)
    this.ranks = new Map(this.ranked.map((each, rank) => [each, rank]))
    const lanes = data.threads.map((): Lane[] => [])
    for (const lane of data.lanes) lanes[lane.thread].push(lane)
    this.parts = data.threads.map((_, thread) => ({
      lanes: lanes[thread],
      events: [bisectLeft(data.events.thread, thread), bisectRight(data.events.thread, thread)],
    }))
    const { thread, time } = data.flows
    this.#points = Uint32Array.from(thread.keys()).sort((a, b) => thread[a] - thread[b] || time[a] - time[b])
    const sorted = Float64Array.from(this.#points, (point) => thread[point])
    this.#pointKeys = data.threads.map((_, row) => ({
      first: bisectLeft(sorted, row),
      after: bisectRight(sorted, row),
    }))
  }

  /** The first slice of a lane that ends after a time. */
  firstAfter({ first, count }: Lane, time: number): number {
    return bisectRight(this.ends, time, first, first + count)
  }

  /** The first slice that begins at a time or later, from `low` on and before `high`. */
  firstFrom(time: number, low: number, high: number): number {
    return bisectLeft(this.data.slices.start, time, low, high)
  }

  /** How long slices take together. */
  sum(first: number, after: number): number {
    return this.#sums[after] - this.#sums[first]
  }

  /** The longest slice from `first` on and before `after`. */
  longest(first: number, after: number): number {
    const { duration } = this.data.slices
    let longest = first
    let slice = first
    while (slice < after) {
      const isBlock = slice % BLOCK === 0 && slice + BLOCK <= after
      const best = isBlock ? this.#longest[slice / BLOCK] : slice
      if (duration[best] > duration[longest]) longest = best
      slice += isBlock ? BLOCK : 1
    }
    return longest
  }

  /** How much of a time the slices of a lane take. */
  covered(lane: Lane, from: number, to: number): number {
    const first = this.firstAfter(lane, from)
    const after = this.firstFrom(to, first, lane.first + lane.count)
    if (first >= after) return 0
    const { start } = this.data.slices
    return this.sum(first, after) - Math.max(0, from - start[first]) - Math.max(0, this.ends[after - 1] - to)
  }

  laneOf(slice: number): Lane {
    return this.data.lanes.find(({ first, count }) => slice >= first && slice < first + count) as Lane
  }

  /** The ways of which a point lies on a thread in a time: for each, the range of its points. */
  waysIn(thread: number, from: number, to: number, most: number): [first: number, after: number][] {
    const { way, time } = this.data.flows
    const { first, after } = this.#pointKeys[thread]
    const seen = new Set<number>()
    const ways: [number, number][] = []
    for (let index = first; index < after && ways.length < most; index += 1) {
      const point = this.#points[index]
      if (time[point] < from) continue
      if (time[point] > to) break
      if (seen.has(way[point])) continue
      seen.add(way[point])
      ways.push([bisectLeft(way, way[point]), bisectRight(way, way[point])])
    }
    return ways
  }
}
