/** What is drawn at a place. */
import { durationText } from '@rchan/analysis'
import { bisectLeft } from 'd3-array'
import { BAND, LANE, type Layout } from './layout.js'
import { NOTHING, type Chosen } from './selection.js'
import type { Timeline } from './timeline.js'

/**
 * Returns the slice at a time of a lane, or the one that is nearest and not farther than `slack`.
 */
function sliceAt(timeline: Timeline, first: number, count: number, time: number, slack: number): number {
  const { start } = timeline.data.slices
  const after = timeline.firstFrom(time, first, first + count)
  let best = -1
  let distance = slack
  for (const slice of [after - 1, after]) {
    if (slice < first || slice >= first + count) continue
    const away = Math.max(start[slice] - time, time - timeline.ends[slice], 0)
    if (away <= distance && (best < 0 || away < distance)) {
      best = slice
      distance = away
    }
  }
  return best
}

/**
 * Finds what is at a place.
 *
 * @param y in pixels, in the coordinates of the layout.
 * @param slack how far away it may be, in ns.
 */
export function hit(timeline: Timeline, layout: Layout, time: number, y: number, slack: number): Chosen {
  const row = layout.at(y)
  if (row?.kind !== 'thread') return NOTHING
  const { lanes, events } = timeline.parts[row.place]
  const depth = Math.floor((y - row.top - BAND) / LANE)
  const lane = lanes[depth]
  if (lane !== undefined) {
    const slice = sliceAt(timeline, lane.first, lane.count, time, slack)
    return slice < 0
      ? NOTHING
      : { ...NOTHING, slice, task: timeline.data.slices.task[slice], thread: row.place }
  }
  const [first, after] = events
  if (depth === lanes.length && after > first) {
    const { time: times } = timeline.data.events
    const next = bisectLeft(times, time, first, after)
    const near = [next - 1, next].filter((event) => event >= first && event < after)
    near.sort((a, b) => Math.abs(times[a] - time) - Math.abs(times[b] - time))
    if (near.length > 0 && Math.abs(times[near[0]] - time) <= slack * 2)
      return { ...NOTHING, event: near[0], thread: row.place }
  }
  return NOTHING
}

/** What went wrong at a place, in words: lost records, a stall. Empty if nothing did. */
export function trouble(timeline: Timeline, layout: Layout, time: number, y: number, slack: number): string {
  const row = layout.at(y)
  const thread = row?.kind === 'thread' ? row.place : -1
  const { losses, stalls } = timeline.data
  const isAt = (from: number, to: number): boolean => time >= from - slack && time <= to + slack
  const loss = losses.find((each) => (each.thread < 0 || each.thread === thread) && isAt(each.from, each.to))
  if (loss !== undefined) return loss.text
  const stall = stalls.from.findIndex(
    (from, index) => stalls.thread[index] === thread && isAt(from, stalls.to[index]),
  )
  if (stall < 0) return ''
  return `event loop stood still for ${durationText(stalls.to[stall] - stalls.from[stall])}`
}
