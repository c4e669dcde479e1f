/** Where what is chosen came from, and where it went. */
import type { ScaleLinear } from 'd3-scale'
import { BAND, LANE } from './layout.js'
import type { Pen } from './pen.js'
import type { Scene } from './scene.js'

const MOST_ARROWS = 40

/** Of a task from its submitter to its worker and back, of another slice the flows in it. */
export function drawArrows(scene: Scene, pen: Pen, x: ScaleLinear<number, number>): void {
  const { timeline, chosen, layout, colors } = scene
  const { data } = timeline
  /** The middle of a thread's first lane. */
  const heightOf = (thread: number): number | undefined => {
    const row = layout.ofThread(thread)
    return row === undefined ? undefined : row.top + BAND + LANE / 2
  }
  const arrow = (fromThread: number, from: number, toThread: number, to: number): void => {
    const [start, end] = [heightOf(fromThread), heightOf(toThread)]
    if (start !== undefined && end !== undefined) pen.arrow(x(from), start, x(to), end, colors.ink)
  }
  const { task, slice } = chosen
  if (task >= 0) {
    const { queued, dispatched, started, finished, handled, submitter, worker } = data.tasks
    const from = queued[task]
    const y = heightOf(submitter[task])
    if (dispatched[task] >= 0) {
      if (y !== undefined) pen.dashes(x(from), x(from + dispatched[task]), y, colors.ink)
      if (started[task] >= 0)
        arrow(submitter[task], from + dispatched[task], worker[task], from + started[task])
    }
    if (finished[task] >= 0 && handled[task] >= 0)
      arrow(worker[task], from + finished[task], submitter[task], from + handled[task])
  }
  if (slice < 0) return
  const { start } = data.slices
  const { thread: row } = timeline.laneOf(slice)
  const { thread, time } = data.flows
  for (const [first, after] of timeline.waysIn(row, start[slice], timeline.ends[slice], MOST_ARROWS)) {
    for (let point = first + 1; point < after; point += 1)
      arrow(thread[point - 1], time[point - 1], thread[point], time[point])
  }
}
