/**
 * What a picture of a trace shows, gathered in memory that depends on its size in pixels and not on
 * that of the trace.
 *
 * The trace is read twice: once to learn from when to when it goes and which spans take most time
 * ({@link Overview}), and once for what is drawn ({@link Gatherer}). A span narrower than half a
 * pixel is not kept: it only marks its column.
 */
import { SpanModel, type WholeSpan } from '@rchan/analysis'
import type { TraceItem, TraceThread } from '@rchan/ctf/reader'

/** The spans that have colours of their own, and the lines of numbers. */
const MOST_COLORS = 6
const MOST_LANES = 48
const MOST_CHARTS = 4
const MOST_SLICES = 4000
const MOST_ARROWS = 14
/** Deeper spans are drawn over these. */
const MOST_DEPTH = 4
/** Narrower spans, in pixels, are marks. */
const NARROW = 0.5

/** A span on its thread. Times are ns from the start of the picture. */
export interface Slice {
  readonly from: number
  readonly to: number
  /** The place of its name in `names`; −1 for other ones. */
  readonly color: number
  readonly label: string
  readonly isCut: boolean
  /** How many spans it is in. */
  depth: number
}

/** A thread. */
export interface Lane {
  readonly thread: TraceThread
  came: number
  /** When it ended, or the picture does. */
  went: number
  hasEnded: boolean
  readonly slices: Slice[]
  /** For each colour (the others first) the columns with spans that are too narrow to draw. */
  readonly marks: Set<number>[]
  /** When it lost events. */
  readonly losses: { readonly from: number; readonly to: number }[]
  depth: number
}

/** A number over time: in each column the largest one. */
export interface Chart {
  readonly name: string
  readonly columns: Float64Array
  /** Whether it counts spans that are open. Else it is a counter of the program's. */
  readonly counts: boolean
  total: number
}

/** An arrow of a flow, from thread to thread. */
export interface Arrow {
  readonly from: number
  readonly fromLane: Lane
  readonly to: number
  readonly toLane: Lane
}

/** What a picture shows. */
export interface Picture {
  /** In ns. */
  readonly duration: number
  readonly lanes: readonly Lane[]
  /** Threads that have no room. */
  readonly hiddenLanes: number
  readonly charts: readonly Chart[]
  readonly arrows: readonly Arrow[]
  /** Names of the spans that took most time, the first one most. */
  readonly names: readonly string[]
  readonly spans: number
  readonly lost: number
  readonly longest: { readonly name: string; readonly duration: number } | undefined
}

interface Extremes {
  readonly from: bigint
  readonly to: bigint
  readonly names: readonly string[]
  readonly asyncNames: readonly string[]
  readonly spans: number
  readonly longest: Picture['longest']
}

/** What has to be known of a trace before it can be drawn. */
export class Overview {
  readonly #spans = new SpanModel((span) => this.#note(span))
  readonly #onThreads = new Map<string, number>()
  readonly #between = new Map<string, number>()
  #from: bigint | undefined
  #to = 0n
  #count = 0
  #longest: Picture['longest']

  push(item: TraceItem): void {
    this.#from ??= item.time
    if (item.time > this.#to) this.#to = item.time
    this.#spans.push(item)
  }

  result(): Extremes {
    this.#spans.finish()
    const largest = (totals: Map<string, number>): string[] =>
      [...totals].sort(([, a], [, b]) => b - a).map(([name]) => name)
    return {
      from: this.#from ?? 0n,
      to: this.#to,
      names: largest(this.#onThreads).slice(0, MOST_COLORS),
      asyncNames: largest(this.#between).slice(0, MOST_CHARTS),
      spans: this.#count,
      longest: this.#longest,
    }
  }

  #note({ kind, name, start, end }: WholeSpan): void {
    this.#count += 1
    const duration = Number(end - start)
    const totals = kind === 'span' ? this.#onThreads : this.#between
    totals.set(name, (totals.get(name) ?? 0) + duration)
    if (this.#from === undefined || start < this.#from) this.#from = start
    if (end > this.#to) this.#to = end
    if (kind === 'span' && duration > (this.#longest?.duration ?? -1)) this.#longest = { name, duration }
  }
}

interface Way {
  readonly time: number
  readonly lane: Lane
}

/** Gathers what is drawn. */
export class Gatherer {
  readonly #overview: Extremes
  readonly #columns: number
  readonly #duration: number
  readonly #lanes = new Map<TraceThread, Lane>()
  readonly #charts = new Map<string, Chart>()
  readonly #open = new Map<string, { count: number; column: number }>()
  /** Values of counters, since the column in which they were told. */
  readonly #values = new Map<string, { value: number; column: number }>()
  readonly #ways = new Map<string, Way>()
  #arrows: Arrow[] = []
  #lost = 0

  /** @param columns the width of the picture in pixels. */
  constructor(overview: Extremes, columns: number) {
    this.#overview = overview
    this.#columns = columns
    this.#duration = Math.max(1, Number(overview.to - overview.from))
  }

  push(item: TraceItem): void {
    switch (item.type) {
      case 'span':
        this.#laneOf(item.thread)
        this.#span(item)
        break
      case 'async':
        this.#laneOf(item.thread)
        this.#count(item.name, item.phase === 'begin' ? 1 : -1, item.time)
        break
      case 'counter':
        for (const [field, value] of Object.entries(item.fields)) {
          const isOne = field === 'value' && Object.keys(item.fields).length === 1
          if (typeof value === 'number' || typeof value === 'bigint')
            this.#tell(isOne ? item.event.name : `${item.event.name} ${field}`, Number(value), item.time)
        }
        break
      case 'flow':
        this.#flow(`${item.event.name} ${item.id}`, item.phase, item.time, this.#laneOf(item.thread))
        break
      case 'thread': {
        const lane = this.#laneOf(item.thread)
        if (item.phase === 'came') lane.came = this.#at(item.time)
        else if (item.phase === 'went') {
          lane.went = this.#at(item.time)
          lane.hasEnded = true
        }
        break
      }
      case 'loss':
        this.#lost += item.events
        if (item.thread !== undefined)
          this.#laneOf(item.thread).losses.push({ from: this.#at(item.from), to: this.#at(item.to) })
        break
      case 'event':
        this.#laneOf(item.thread)
        break
      case 'gap':
    }
  }

  picture(): Picture {
    for (const [name, { value, column }] of this.#values) this.#fill(name, value, column, this.#columns)
    for (const [name, { count, column }] of this.#open) this.#fill(name, count, column, this.#columns)
    const lanes = [...this.#lanes.values()]
      .filter(
        (lane) =>
          lane.slices.length > 0 || lane.marks.some(({ size }) => size > 0) || lane.hasEnded || isMain(lane),
      )
      .sort(
        (a, b) =>
          a.thread.process.index - b.thread.process.index ||
          Number(isMain(b)) - Number(isMain(a)) ||
          a.came - b.came,
      )
    for (const lane of lanes) nest(lane)
    const shown = lanes.slice(0, MOST_LANES)
    const { names, spans, longest } = this.#overview
    const charts = [...this.#charts.values()].sort(
      (a, b) => Number(b.counts) - Number(a.counts) || b.total - a.total,
    )
    return {
      duration: this.#duration,
      lanes: shown,
      hiddenLanes: lanes.length - shown.length,
      charts: charts.slice(0, MOST_CHARTS),
      arrows: this.#arrows.filter(
        ({ fromLane, toLane }) => shown.includes(fromLane) && shown.includes(toLane),
      ),
      names,
      spans,
      lost: this.#lost,
      longest,
    }
  }

  #at(time: bigint): number {
    return Math.min(this.#duration, Math.max(0, Number(time - this.#overview.from)))
  }

  #column(at: number): number {
    return Math.min(this.#columns - 1, Math.floor((at / this.#duration) * this.#columns))
  }

  #laneOf(thread: TraceThread): Lane {
    let lane = this.#lanes.get(thread)
    if (lane === undefined) {
      lane = {
        thread,
        came: 0,
        went: this.#duration,
        hasEnded: false,
        slices: [],
        marks: Array.from({ length: this.#overview.names.length + 1 }, () => new Set<number>()),
        losses: [],
        depth: 1,
      }
      this.#lanes.set(thread, lane)
    }
    return lane
  }

  #span({ thread, start, end, event, fields, outcome }: Extract<TraceItem, { type: 'span' }>): void {
    const lane = this.#laneOf(thread)
    const from = this.#at(start)
    const to = this.#at(end)
    const color = this.#overview.names.indexOf(event.name)
    const width = ((to - from) / this.#duration) * this.#columns
    if (width < NARROW || lane.slices.length >= MOST_SLICES) {
      lane.marks[color + 1].add(this.#column(from))
      return
    }
    const label = labelOf(event.name, fields)
    lane.slices.push({ from, to, color, label, isCut: outcome === 'cut', depth: 0 })
  }

  /** A span between threads begins or ends: how many are open? */
  #count(name: string, change: number, time: bigint): void {
    if (!this.#overview.asyncNames.includes(name)) return
    const column = this.#column(this.#at(time))
    const open = this.#open.get(name) ?? { count: 0, column: 0 }
    this.#chart(name, true)
    this.#fill(name, open.count, open.column, column + 1)
    this.#open.set(name, { count: Math.max(0, open.count + change), column })
  }

  #tell(name: string, value: number, time: bigint): void {
    const column = this.#column(this.#at(time))
    const before = this.#values.get(name)
    this.#chart(name, false)
    if (before !== undefined) this.#fill(name, before.value, before.column, column + 1)
    this.#values.set(name, { value, column })
  }

  #chart(name: string, counts: boolean): Chart {
    let chart = this.#charts.get(name)
    if (chart === undefined) {
      chart = { name, columns: new Float64Array(this.#columns), counts, total: 0 }
      this.#charts.set(name, chart)
    }
    chart.total += 1
    return chart
  }

  #fill(name: string, value: number, from: number, to: number): void {
    const columns = this.#charts.get(name)?.columns
    if (columns === undefined) return
    for (let at = from; at < Math.min(to, this.#columns); at += 1) columns[at] = Math.max(columns[at], value)
  }

  /** Keeps the ways that took longest, each at some distance from the others. */
  #flow(key: string, phase: 'start' | 'step' | 'end', time: bigint, lane: Lane): void {
    const at = this.#at(time)
    const before = this.#ways.get(key)
    if (phase === 'end') this.#ways.delete(key)
    else this.#ways.set(key, { time: at, lane })
    if (before === undefined || phase === 'start' || before.lane === lane) return
    // The way back is as long as the way there, and nobody waits on it.
    if (phase === 'end') return
    const arrow: Arrow = { from: before.time, fromLane: before.lane, to: at, toLane: lane }
    const distance = this.#duration / (MOST_ARROWS * 2)
    const near = this.#arrows.find(({ to }) => Math.abs(to - at) < distance)
    const length = ({ from, to }: Arrow): number => to - from
    if (near !== undefined) {
      if (length(near) >= length(arrow)) return
      this.#arrows.splice(this.#arrows.indexOf(near), 1)
    }
    this.#arrows.push(arrow)
    if (this.#arrows.length <= MOST_ARROWS) return
    this.#arrows = this.#arrows.toSorted((a, b) => length(b) - length(a)).slice(0, MOST_ARROWS)
  }
}

/** Whether a lane is that of a main thread. */
export function isMain({ thread }: Lane): boolean {
  return thread.threadId === 0
}

/** What stands on a slice: the text that says most, or its name. */
function labelOf(name: string, fields: Readonly<Record<string, unknown>>): string {
  const text = Object.values(fields).find((value) => typeof value === 'string' && value !== '')
  return typeof text === 'string'
    ? text.slice(Math.max(text.lastIndexOf('/'), text.lastIndexOf('\\')) + 1)
    : name
}

/** Finds how deep each span stands in others. */
function nest(lane: Lane): void {
  lane.slices.sort((a, b) => a.from - b.from || b.to - a.to)
  const around: Slice[] = []
  for (const slice of lane.slices) {
    while (around.length > 0 && around[around.length - 1].to <= slice.from) around.pop()
    slice.depth = Math.min(around.length, MOST_DEPTH - 1)
    lane.depth = Math.max(lane.depth, slice.depth + 1)
    around.push(slice)
  }
}
