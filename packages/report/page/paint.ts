/**
 * Draws the timeline on a canvas. In a lane only what can be seen is looked at: slices that share a
 * pixel are found by halving, and become one mark, as high as the part of the pixel's time that
 * they take. So a million of them is drawn as fast as a thousand.
 */
import { durationText, quantityText } from '@rchan/analysis'
import { bisectLeft, bisectRight } from 'd3-array'
import { scaleLinear, type ScaleLinear } from 'd3-scale'
import { area, curveStepAfter } from 'd3-shape'
import type { Lane, PageData, PageThread } from '../src/page-data.js'
import { nameOfRow } from '../src/shown-text.js'
import { AXIS, BAND, EVENTS, HEAD, LANE, OVERVIEW, type Layout, type Row } from './layout.js'
import { drawArrows } from './arrows.js'
import { Overview } from './overview.js'
import { FONT, Pen } from './pen.js'
import type { Scene } from './scene.js'
import { ticksOf, timeText, type Tick } from './ticks.js'
import type { Timeline } from './timeline.js'

/** A name is written on slices of at least this width. */
const WRITTEN = 28
/** Pixels from one tick to the next. */
const TICK_ROOM = 110
/** Room for labels: on a narrow window, elsewhere at least and at most. */
const LABELS_NARROW = 104
const NARROW = 640
const LABELS = 130
const LABELS_USUAL = 190
const LABELS_PART = 0.25
/** Of more labels the widest is not looked for. */
const LABELS_MEASURED = 2000
const FAILED = 1
const CUT = 2

/** What a thread is called. Where there is no second line, its number stands beside its name. */
export function labelOf(thread: PageThread, { isRoomy }: Layout): string {
  return isRoomy ? thread.label : nameOfRow(thread)
}

/** Draws scenes. */
export class Painter {
  readonly #context: CanvasRenderingContext2D
  readonly #overview = new Overview()
  readonly #pen: Pen
  #wanted: number | undefined
  #scene!: Scene
  #x!: ScaleLinear<number, number>

  constructor(context: CanvasRenderingContext2D) {
    this.#context = context
    this.#pen = new Pen(context)
  }

  /** How wide the labels are in a window: as they need, if that leaves room. */
  labelsWidth({ data }: Timeline, layout: Layout, width: number): number {
    if (width < NARROW) return LABELS_NARROW
    this.#wanted ??= this.#widest(data, layout)
    return Math.max(LABELS, Math.min(this.#wanted, Math.max(LABELS_USUAL, Math.round(width * LABELS_PART))))
  }

  #widest({ threads, charts }: PageData, layout: Layout): number {
    const context = this.#context
    const widthOf = (texts: readonly string[], size: number): number => {
      context.font = `${size}px ${FONT}`
      return texts
        .slice(0, LABELS_MEASURED)
        .reduce((most, text) => Math.max(most, context.measureText(text).width), 0)
    }
    const names = [...threads.map((thread) => labelOf(thread, layout)), ...charts.map(({ label }) => label)]
    const abouts = layout.isRoomy ? threads.map(({ about }) => about) : []
    return Math.ceil(Math.max(widthOf(names, 12), widthOf(abouts, 11))) + 18
  }

  draw(scene: Scene): void {
    const { view, layout, width, height, left, scrolled, colors, timeline } = scene
    const context = this.#context
    this.#scene = scene
    this.#x = scaleLinear([view.from, view.to], [left, width])
    context.textBaseline = 'middle'
    context.fillStyle = colors.paper
    context.fillRect(0, 0, width, height)
    context.save()
    context.beginPath()
    context.rect(0, HEAD, width, height - HEAD)
    context.clip()
    context.translate(0, -scrolled)
    this.#grid(layout.foot)
    for (const row of layout.rows) {
      if (row.top + row.height < scrolled || row.top > scrolled + height) continue
      if (row.kind === 'process') this.#process(row)
      else if (row.kind === 'chart') this.#chart(row)
      else this.#thread(row)
    }
    this.#plot(() => {
      for (const loss of timeline.data.losses) if (loss.thread < 0) this.#loss(loss, HEAD, 6)
      this.#marked(layout.height)
      drawArrows(scene, this.#pen, this.#x)
      this.#cursor(layout.height)
    })
    // Names of processes stand over what is marked.
    for (const row of layout.rows) if (row.kind === 'process') this.#processName(row)
    context.restore()
    this.#axis()
    this.#markedLength()
    this.#cursorTime()
    this.#overview.draw(scene, this.#pen)
  }

  /** Draws where the labels are not. */
  #plot(draw: () => void): void {
    const context = this.#context
    const { width, left, layout } = this.#scene
    context.save()
    context.beginPath()
    context.rect(left, 0, width - left, layout.height)
    context.clip()
    draw()
    context.restore()
  }

  /** As many as have room for what stands there. */
  #ticks(): Tick[] {
    const { width, left, view } = this.#scene
    const context = this.#context
    context.font = `11px ${FONT}`
    const of = (room: number): Tick[] =>
      ticksOf(view.from, view.to, Math.max(1, Math.floor((width - left) / room)))
    const made = of(TICK_ROOM)
    const widest = Math.max(0, ...made.map(({ text }) => context.measureText(text).width)) + 12
    return widest <= TICK_ROOM ? made : of(widest * 1.5)
  }

  #grid(height: number): void {
    const context = this.#context
    context.fillStyle = this.#scene.colors.line
    for (const { at } of this.#ticks()) context.fillRect(Math.round(this.#x(at)), HEAD, 1, height - HEAD)
  }

  #axis(): void {
    const { width, left, colors, marked } = this.#scene
    const context = this.#context
    context.fillStyle = colors.paper
    context.fillRect(0, 0, width, HEAD)
    for (const { at, text } of this.#ticks()) {
      const x = Math.round(this.#x(at))
      context.fillStyle = colors.line
      context.fillRect(x, OVERVIEW, 1, AXIS)
      context.font = `11px ${FONT}`
      if (x + 4 + context.measureText(text).width <= width)
        this.#pen.text(text, x + 4, OVERVIEW + AXIS / 2, colors.faint, 11)
    }
    this.#pen.text(`${durationText(this.#scene.view.span)} shown`, 8, OVERVIEW + AXIS / 2, colors.faint, 11)
    context.fillStyle = colors.line
    context.fillRect(0, HEAD - 1, width, 1)
    if (marked === undefined) return
    const start = Math.max(left, this.#x(marked.from))
    context.fillStyle = colors.accent
    if (this.#x(marked.to) >= left)
      context.fillRect(start, HEAD - 3, Math.max(2, this.#x(marked.to) - start), 3)
  }

  /** How long what is marked is, over the axis. */
  #markedLength(): void {
    const { marked, left, width, colors } = this.#scene
    if (marked === undefined) return
    const [start, end] = [Math.max(left, this.#x(marked.from)), Math.min(width, this.#x(marked.to))]
    if (end < left || start > width) return
    this.#flag(durationText(marked.to - marked.from), (start + end) / 2, colors.accent, colors.paper)
  }

  /** The time under the pointer, over the axis. */
  #cursorTime(): void {
    const { pointed, view, width, left, colors } = this.#scene
    if (pointed === undefined) return
    const text = timeText(this.#x.invert(pointed.x), view.span / Math.max(1, width - left))
    this.#flag(text, pointed.x, colors.ink, colors.paper)
  }

  #cursor(height: number): void {
    const { pointed, colors } = this.#scene
    if (pointed === undefined) return
    const context = this.#context
    context.globalAlpha = 0.5
    context.fillStyle = colors.ink
    context.fillRect(Math.round(pointed.x), HEAD, 1, height)
    context.globalAlpha = 1
  }

  /** A text on the axis, on ground of its own. */
  #flag(text: string, middle: number, ground: string, color: string): void {
    const { left, width } = this.#scene
    const context = this.#context
    context.font = `11px ${FONT}`
    const wide = context.measureText(text).width + 10
    const start = Math.max(left, Math.min(width - wide, middle - wide / 2))
    context.fillStyle = ground
    context.fillRect(start, OVERVIEW + 2, wide, AXIS - 6)
    this.#pen.text(text, start + 5, OVERVIEW + AXIS / 2 - 1, color, 11)
  }

  /** What is marked stays bright. */
  #marked(height: number): void {
    const { marked, colors, width, left } = this.#scene
    if (marked === undefined) return
    const context = this.#context
    const [start, end] = [Math.round(this.#x(marked.from)), Math.round(this.#x(marked.to))]
    context.globalAlpha = 0.5
    context.fillStyle = colors.paper
    context.fillRect(left, HEAD, start - left, height)
    context.fillRect(end, HEAD, width - end, height)
    context.globalAlpha = 1
    context.fillStyle = colors.accent
    for (const at of [start - 1, end]) context.fillRect(at, HEAD, 1, height)
  }

  #process({ top, height }: Row): void {
    const { colors, width } = this.#scene
    this.#context.fillStyle = colors.band
    this.#context.fillRect(0, top, width, height)
  }

  #processName({ place, top, height }: Row): void {
    const { timeline, colors, width, height: all, scrolled } = this.#scene
    if (top + height < scrolled || top > scrolled + all) return
    const context = this.#context
    context.font = `bold 12px ${FONT}`
    context.fillStyle = colors.ink
    context.fillText(this.#pen.cut(timeline.data.processes[place].label, width - 16), 8, top + height / 2)
  }

  #chart({ place, top, height }: Row): void {
    const { timeline, colors, width, left } = this.#scene
    const { label, unit, times, series } = timeline.data.charts[place]
    const context = this.#context
    const inks = [colors.accent, colors.onCpu]
    const least = Math.min(...series.map(({ values }) => values.reduce((a, b) => Math.min(a, b), 0)))
    const most = Math.max(
      least + 1e-9,
      ...series.map(({ values }) => values.reduce((a, b) => Math.max(a, b), 0)),
    )
    const y = scaleLinear([least, most], [top + height - 6, top + 4])
    this.#pen.text(label, 8, top + 12, colors.ink, 12, left - 16)
    let x = 8
    for (const [index, each] of series.entries()) {
      if (each.label === '') continue
      context.fillStyle = inks[index % inks.length]
      context.fillRect(x, top + 24, 8, 8)
      this.#pen.text(each.label, x + 11, top + 28, colors.faint, 11, left - x - 16)
      x += context.measureText(each.label).width + 22
    }
    this.#plot(() => {
      for (const [index, { values }] of series.entries()) {
        const first = Math.max(0, bisectRight(times, this.#scene.view.from) - 1)
        const after = Math.min(times.length, bisectLeft(times, this.#scene.view.to) + 1)
        const points = Array.from({ length: Math.max(0, after - first) }, (_, each) => first + each)
        const drawn = area<number>()
          .x((point) => Math.max(-10, Math.min(width + 10, this.#x(times[point]))))
          .y0(y(0))
          .y1((point) => y(values[point]))
          .curve(curveStepAfter)
          .context(context)
        context.beginPath()
        drawn(points)
        context.globalAlpha = 0.35
        context.fillStyle = inks[index % inks.length]
        context.fill()
        context.globalAlpha = 1
        context.strokeStyle = inks[index % inks.length]
        context.lineWidth = 1
        context.stroke()
      }
    })
    const text = quantityText(Number(most.toPrecision(3)), unit)
    context.font = `11px ${FONT}`
    const wide = context.measureText(text).width
    context.fillStyle = colors.paper
    context.fillRect(width - wide - 10, top + 3, wide + 8, 13)
    this.#pen.text(text, width - wide - 6, top + 10, colors.faint, 11)
    context.fillStyle = colors.line
    context.fillRect(0, top + height - 1, width, 1)
  }

  #thread(row: Row): void {
    const { timeline, colors, width, left, layout, chosen, search } = this.#scene
    const { place, top, height } = row
    const thread = timeline.data.threads[place]
    const { lanes, events } = timeline.parts[place]
    const context = this.#context
    if (chosen.thread === place) {
      context.fillStyle = colors.band
      context.fillRect(0, top, width, height)
    }
    const isFound = search.isActive && search.hasThread(place)
    this.#pen.text(labelOf(thread, layout), 8, top + 11, isFound ? colors.accent : colors.ink, 12, left - 16)
    if (layout.isRoomy) this.#pen.text(thread.about, 8, top + 26, colors.faint, 11, left - 16)
    this.#plot(() => {
      this.#life(thread, top, height)
      this.#stalls(place, top, height)
      this.#band(thread.cpu, top + 1)
      this.#density(thread.density, top, height)
      let y = top + BAND + 1
      for (const lane of lanes) {
        this.#lane(lane, y)
        y += LANE
      }
      if (events[1] > events[0]) this.#events(events, y)
      for (const loss of timeline.data.losses) if (loss.thread === place) this.#loss(loss, top, height)
    })
    context.fillStyle = colors.line
    context.fillRect(0, top + height - 1, width, 1)
  }

  /** Where the thread is not there, the row is darker. */
  #life({ from, to }: { readonly from: number; readonly to: number }, top: number, height: number): void {
    const { colors, width, left } = this.#scene
    const context = this.#context
    const [start, end] = [this.#x(from), this.#x(to)]
    context.fillStyle = colors.band
    if (start > left) context.fillRect(left, top, Math.min(start, width) - left, height - 1)
    if (end < width) context.fillRect(Math.max(end, left), top, width - Math.max(end, left), height - 1)
  }

  #stalls(thread: number, top: number, height: number): void {
    const { timeline, colors } = this.#scene
    const { stalls } = timeline.data
    const context = this.#context
    for (let index = 0; index < stalls.from.length; index += 1) {
      if (stalls.thread[index] !== thread) continue
      const [start, end] = [this.#x(stalls.from[index]), this.#x(stalls.to[index])]
      context.globalAlpha = 0.22
      context.fillStyle = colors.stall
      context.fillRect(start, top, Math.max(1, end - start), height - 1)
      context.globalAlpha = 1
      context.fillRect(start, top + height - 4, Math.max(1, end - start), 3)
    }
  }

  /** On a CPU, and above that waiting for one, by column. */
  #band(
    {
      times,
      onCpu,
      waiting,
    }: { readonly times: Float64Array; readonly onCpu: Float64Array; readonly waiting: Float64Array },
    y: number,
  ): void {
    const { colors, view, width } = this.#scene
    const context = this.#context
    const last = times.length - 1
    if (last < 1) return
    const high = BAND - 2
    context.fillStyle = colors.band
    context.fillRect(this.#x(times[0]), y, this.#x(times[last]) - this.#x(times[0]), high)
    let index = Math.max(0, bisectRight(times, view.from) - 1)
    while (index < last && times[index] < view.to) {
      // Those that share a pixel are averaged.
      const from = times[index]
      const pixel = Math.floor(this.#x(from)) + 1
      let ran = 0
      let waited = 0
      do {
        const ns = times[index + 1] - times[index]
        ran += (onCpu[index] / 1000) * ns
        waited += (waiting[index] / 1000) * ns
        index += 1
      } while (index < last && this.#x(times[index + 1]) < pixel)
      const span = Math.max(1, times[index] - from)
      const start = Math.max(-1, this.#x(from))
      const wide = Math.max(1, Math.min(width, this.#x(times[index])) - start)
      const running = (ran / span) * high
      const idle = (waited / span) * high
      context.fillStyle = colors.onCpu
      context.fillRect(start, y + high - running, wide, running)
      context.fillStyle = colors.waiting
      context.fillRect(start, y + high - running - idle, wide, idle)
    }
  }

  /** What is left out, as a grey line. */
  #density(density: Float64Array, top: number, height: number): void {
    const { timeline, colors } = this.#scene
    if (density.length === 0) return
    const { from, to } = timeline.data
    const part = (to - from) / density.length
    const context = this.#context
    context.fillStyle = colors.other
    for (const [index, value] of density.entries()) {
      if (value === 0) continue
      const start = this.#x(from + index * part)
      const high = Math.max(1, (value / 1000) * 5)
      context.fillRect(
        start,
        top + height - 2 - high,
        Math.max(1, this.#x(from + (index + 1) * part) - start),
        high,
      )
    }
  }

  #lane(lane: Lane, y: number): void {
    const { timeline, view, search, width, left } = this.#scene
    const { start } = timeline.data.slices
    const { ends } = timeline
    const after = lane.first + lane.count
    const perPixel = view.span / Math.max(1, width - left)
    let slice = timeline.firstAfter(lane, view.from)
    while (slice < after && start[slice] < view.to) {
      if (ends[slice] - start[slice] >= perPixel) {
        this.#slice(slice, y)
        slice += 1
        continue
      }
      // All that begin in this pixel. The last may be wide: then it is drawn by itself.
      const column = Math.floor(this.#x(start[slice]))
      let next = Math.max(slice + 1, timeline.firstFrom(this.#x.invert(column + 1), slice, after))
      if (next - slice > 1 && ends[next - 1] - start[next - 1] >= perPixel) next -= 1
      this.#mark(slice, next, column, y, timeline.sum(slice, next) / perPixel, search.isActive)
      slice = next
    }
  }

  /** Narrow slices, in one column. */
  #mark(first: number, after: number, column: number, y: number, part: number, isSearching: boolean): void {
    const { timeline, colors, search } = this.#scene
    const { name, outcome } = timeline.data.slices
    const context = this.#context
    let shown = timeline.longest(first, after)
    if (isSearching) {
      let found = first
      while (found < after && !search.hasSlice(found)) found += 1
      if (found < after) shown = found
      else context.globalAlpha = 0.2
    }
    const high = Math.max(3, Math.min(1, part) * (LANE - 2))
    context.fillStyle = outcome[shown] === FAILED ? colors.bad : this.#colorOf(name[shown])
    context.fillRect(column, y + LANE - 2 - high, 1, high)
    context.globalAlpha = 1
  }

  #colorOf(name: number): string {
    const { timeline, colors } = this.#scene
    const rank = timeline.ranks.get(name)
    return rank === undefined ? colors.gc : (colors.palette[rank] ?? colors.other)
  }

  #slice(slice: number, y: number): void {
    const { timeline, colors, width, left: labels, search, chosen, pointed } = this.#scene
    const { start, name, outcome } = timeline.data.slices
    const context = this.#context
    const left = Math.max(labels - 2, this.#x(start[slice]))
    const end = Math.min(width + 2, this.#x(timeline.ends[slice]))
    const wide = Math.max(1, end - left - (end - left > 3 ? 1 : 0))
    const high = LANE - 2
    if (search.isActive && !search.hasSlice(slice)) context.globalAlpha = 0.2
    context.fillStyle = this.#colorOf(name[slice])
    context.fillRect(left, y, wide, high)
    if (outcome[slice] === FAILED) {
      context.fillStyle = colors.bad
      context.fillRect(left, y, wide, 3)
    } else if (outcome[slice] === CUT) {
      // A torn edge.
      context.fillStyle = colors.bad
      context.beginPath()
      for (let at = 0; at < high; at += 4) {
        context.moveTo(left + wide, y + at)
        context.lineTo(left + Math.max(0, wide - 5), y + at + 2)
        context.lineTo(left + wide, y + at + 4)
      }
      context.fill()
    }
    if (wide > WRITTEN) {
      this.#pen.text(
        timeline.data.names[name[slice]],
        left + 4,
        y + high / 2 + 0.5,
        colors.onSlice,
        11,
        wide - 8,
      )
    }
    context.globalAlpha = 1
    if (slice === chosen.slice || slice === pointed?.slice) {
      context.strokeStyle = colors.ink
      context.lineWidth = slice === chosen.slice ? 2 : 1
      context.strokeRect(left, y, wide, high)
    }
  }

  #events([first, after]: readonly [number, number], y: number): void {
    const { timeline, colors, view, search, chosen } = this.#scene
    const { time } = timeline.data.events
    const context = this.#context
    let drawn = -1
    for (
      let event = bisectLeft(time, view.from, first, after);
      event < after && time[event] <= view.to;
      event += 1
    ) {
      const column = Math.floor(this.#x(time[event]))
      const isFound = search.isActive && search.hasEvent(event)
      if (column === drawn && event !== chosen.event && !isFound) continue
      drawn = column
      context.fillStyle = event === chosen.event ? colors.ink : isFound ? colors.accent : colors.other
      context.beginPath()
      context.moveTo(column + 0.5, y + 1)
      context.lineTo(column + 3.5, y + EVENTS - 2)
      context.lineTo(column - 2.5, y + EVENTS - 2)
      context.fill()
    }
  }

  #loss({ from, to }: { readonly from: number; readonly to: number }, top: number, height: number): void {
    const { colors, width, left } = this.#scene
    const context = this.#context
    const start = this.#x(from)
    const end = this.#x(to)
    if (end < left || start > width) return
    const wide = Math.max(2, end - start)
    context.fillStyle = colors.bad
    context.globalAlpha = 0.3
    context.fillRect(start, top, wide, height - 1)
    context.globalAlpha = 1
    context.fillRect(start, top, wide, 2)
  }
}
