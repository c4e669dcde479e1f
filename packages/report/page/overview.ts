/** All of the time, at the top: how many threads are at work, and which part is shown below. */
import { durationText } from '@rchan/analysis'
import { scaleLinear } from 'd3-scale'
import { OVERVIEW } from './layout.js'
import type { Pen } from './pen.js'
import type { Scene } from './scene.js'
import type { Search } from './selection.js'
import type { Timeline } from './timeline.js'

/** The height of a mark where something was found. */
const FOUND = 6

/** Draws the overview. */
export class Overview {
  /** How many threads are at work, by column. */
  #activity = new Float64Array()
  /** Where something was found, by column. */
  #found = new Uint8Array()
  #foundBy = -1

  draw({ timeline, view, width, left, colors, search, marked }: Scene, pen: Pen): void {
    const { context } = pen
    const { from, to } = timeline.data
    const all = scaleLinear([from, to], [left, width])
    const columns = Math.max(1, Math.floor(width - left))
    if (this.#activity.length !== columns) this.#activity = activityOf(timeline, columns)
    const most = Math.max(1e-9, ...this.#activity)
    context.fillStyle = colors.band
    context.fillRect(left, 0, width - left, OVERVIEW - 2)
    context.fillStyle = colors.onCpu
    for (let column = 0; column < columns; column += 1) {
      const high = (this.#activity[column] / most) * (OVERVIEW - 4)
      if (high > 0) context.fillRect(left + column, OVERVIEW - 2 - Math.max(1, high), 1, Math.max(1, high))
    }
    const shown = [all(view.from), all(view.to)] as const
    context.globalAlpha = 0.6
    context.fillStyle = colors.paper
    context.fillRect(left, 0, shown[0] - left, OVERVIEW - 2)
    context.fillRect(shown[1], 0, width - shown[1], OVERVIEW - 2)
    context.globalAlpha = 1
    if (search.isActive) {
      if (this.#foundBy !== search.version || this.#found.length !== columns) {
        this.#found = foundIn(timeline, search, columns)
        this.#foundBy = search.version
      }
      context.fillStyle = colors.ink
      for (const [column, isFound] of this.#found.entries())
        if (isFound === 1) context.fillRect(left + column, 1, 1, FOUND)
    }
    context.strokeStyle = context.fillStyle = colors.accent
    if (marked !== undefined) {
      const start = Math.max(left, all(marked.from))
      context.fillRect(start, OVERVIEW - 2, Math.max(2, Math.min(width, all(marked.to)) - start), 2)
    }
    context.lineWidth = 1.5
    context.strokeRect(shown[0] + 0.75, 0.75, Math.max(2, shown[1] - shown[0] - 1.5), OVERVIEW - 3.5)
    pen.text(`${durationText(to - from)} in all`, 8, OVERVIEW / 2, colors.faint, 11)
  }
}

/** How many threads are at work, by column. */
function activityOf(timeline: Timeline, columns: number): Float64Array<ArrayBuffer> {
  const { data, parts } = timeline
  const width = (data.to - data.from) / columns
  const result = new Float64Array(columns)
  for (const [thread, { lanes }] of parts.entries()) {
    const [lane] = lanes
    const { density } = data.threads[thread]
    for (let column = 0; column < columns; column += 1) {
      const start = data.from + column * width
      const covered =
        lane === undefined || lane.isAsync ? 0 : timeline.covered(lane, start, start + width) / width
      const leftOut =
        density.length === 0 ? 0 : density[Math.floor((column / columns) * density.length)] / 1000
      result[column] += Math.min(1, covered + leftOut)
    }
  }
  return result
}

/** Where spans and events are that were found, by column. */
function foundIn({ data }: Timeline, search: Search, columns: number): Uint8Array<ArrayBuffer> {
  const { from, to, slices, events } = data
  const result = new Uint8Array(columns)
  const mark = (time: number): void => {
    const column = Math.floor(((time - from) / Math.max(1, to - from)) * columns)
    result[Math.max(0, Math.min(columns - 1, column))] = 1
  }
  for (let slice = 0; slice < slices.start.length; slice += 1)
    if (search.hasSlice(slice)) mark(slices.start[slice])
  for (let event = 0; event < events.time.length; event += 1)
    if (search.hasEvent(event)) mark(events.time[event])
  return result
}
