/**
 * Slices by lane: what is in something else stands below it. In a lane no slice overlaps another,
 * so a page finds what it has to draw by halving.
 */
import type { Slice } from './kept-slices.js'

/** How many lanes a thread has at most, for its spans and for asynchronous ones. */
export const MOST_LANES = 32

/** A lane of a thread, with its slices in the order of time. */
export interface LaneOfSlices {
  readonly thread: number
  readonly isAsync: boolean
  readonly slices: readonly Slice[]
}

/**
 * Sorts slices into lanes.
 *
 * @param rowOf the row of a thread; −1 if it isn't shown.
 * @returns the lanes in the order of rows, and how many slices had no lane.
 */
export function lanesOf(
  slices: readonly Slice[],
  rowOf: (thread: number) => number,
): { readonly lanes: LaneOfSlices[]; readonly tooDeep: number } {
  const rows = new Map<number, Slice[]>()
  for (const slice of slices) {
    const row = rowOf(slice.thread)
    if (row < 0) continue
    const key = row * 2 + Number(slice.isAsync)
    const own = rows.get(key)
    if (own === undefined) rows.set(key, [slice])
    else own.push(slice)
  }
  const lanes: LaneOfSlices[] = []
  let tooDeep = 0
  for (const [key, own] of [...rows].sort(([a], [b]) => a - b)) {
    own.sort((a, b) => a.start - b.start || b.duration - a.duration)
    const isAsync = key % 2 === 1
    const sorted: Slice[][] = []
    const ends: number[] = []
    for (const slice of own) {
      // Asynchronous ones take the first free lane; a span stands below what it is in.
      let depth = isAsync ? ends.findIndex((end) => end <= slice.start) : -1
      if (depth < 0) {
        if (!isAsync) while (ends.length > 0 && ends[ends.length - 1] <= slice.start) ends.pop()
        depth = ends.length
      }
      if (depth >= MOST_LANES) {
        tooDeep += 1
        continue
      }
      ends[depth] = slice.start + slice.duration
      ;(sorted[depth] ??= []).push(slice)
    }
    for (const each of sorted) lanes.push({ thread: key >> 1, isAsync, slices: each })
  }
  return { lanes, tooDeep }
}
