/** What is drawn at a place, what lies beside it, and how that is called under the pointer. */
import { durationText, quantityText } from '@rchan/analysis'
import { bisectLeft, bisectRight } from 'd3-array'
import type { Lane } from '../src/page-data.js'
import { nameOfRow } from '../src/shown-text.js'
import { BAND, LANE, type Layout } from './layout.js'
import { NOTHING, type Chosen } from './selection.js'
import type { Timeline } from './timeline.js'

/**
 * Returns the slice at a time of a lane, or the one that is nearest and not farther than `slack`;
 * −1 if there is none.
 */
export function sliceAt(timeline: Timeline, { first, count }: Lane, time: number, slack: number): number {
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
    const slice = sliceAt(timeline, lane, time, slack)
    return slice < 0
      ? NOTHING
      : { ...NOTHING, slice, task: timeline.data.slices.task[slice], thread: row.place }
  }
  if (depth === lanes.length) {
    const event = eventAt(timeline, events, time)
    if (event >= 0 && Math.abs(timeline.data.events.time[event] - time) <= slack * 2)
      return { ...NOTHING, event, thread: row.place }
  }
  return NOTHING
}

/** Returns the event of a thread that is nearest to a time; −1 if there is none. */
export function eventAt({ data }: Timeline, [first, after]: readonly [number, number], time: number): number {
  const { time: times } = data.events
  const next = bisectLeft(times, time, first, after)
  if (next >= after) return after > first ? after - 1 : -1
  return next > first && time - times[next - 1] <= times[next] - time ? next - 1 : next
}

/**
 * What is at a place where nothing can be chosen, in words: the values of a chart, lost records, a
 * stall. Empty if there is nothing.
 */
export function wordsAt(timeline: Timeline, layout: Layout, time: number, y: number, slack: number): string {
  const row = layout.at(y)
  if (row?.kind === 'chart') return valuesAt(timeline, row.place, time)
  const thread = row?.kind === 'thread' ? row.place : -1
  if (row !== undefined && thread >= 0 && y < row.top + BAND) {
    const said = cpuAt(timeline, thread, time)
    if (said !== '') return said
  }
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

/** What the kernel says of a thread at a time. */
function cpuAt({ data }: Timeline, thread: number, time: number): string {
  const { times, onCpu, waiting } = data.threads[thread].cpu
  const index = bisectRight(times, time) - 1
  if (index < 0 || index >= times.length - 1) return ''
  const percent = (part: number): string => `${Math.round(part / 10)} %`
  const length = durationText(times[index + 1] - times[index])
  return `on a CPU ${percent(onCpu[index])}, waiting for a CPU ${percent(waiting[index])}, of ${length}`
}

/** The values of a chart. */
function valuesAt({ data }: Timeline, place: number, time: number): string {
  const { times, series, unit } = data.charts[place]
  const point = bisectRight(times, time) - 1
  if (point < 0) return ''
  const texts = series.map(({ label, values }) =>
    `${label} ${quantityText(Number(values[point].toPrecision(3)), unit)}`.trim(),
  )
  return texts.join(' · ')
}

/** A slice or an event under the pointer, one thing a line: what it is, where it is, its way. */
export function linesOf({ data }: Timeline, { slice, task, event, thread }: Chosen): string[] {
  const row = data.threads[thread]
  const who = row === undefined ? 'unknown thread' : nameOfRow(row)
  const { names, slices, events, tasks } = data
  if (event >= 0) return [names[events.name[event]], `at ${durationText(events.time[event])} on ${who}`]
  if (slice < 0) return []
  const outcome = ['', ', failed', ', cut off'][slices.outcome[slice]]
  const lines = [
    `${names[slices.name[slice]]} ${durationText(slices.duration[slice])}${outcome}`,
    `at ${durationText(slices.start[slice])} on ${who}`,
  ]
  if (task < 0 || tasks.dispatched[task] < 0) return lines
  const [dispatched, started] = [tasks.dispatched[task], tasks.started[task]]
  const way = started < 0 ? '' : `, to the worker ${durationText(started - dispatched)}`
  return [...lines, `in the queue ${durationText(dispatched)}${way}`]
}
