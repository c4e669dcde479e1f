/**
 * What a trace says in numbers: for each tracepoint how often, how long and how large; for each
 * thread how busy, and what it lost. Reads a trace once, in memory that doesn't grow with it.
 */
import type { DecodedValue, Field, FieldType, ItemSource, Level } from '@rchan/ctf/reader'
import type { EventClass, ItemFields, ItemOptions, TraceItem, TraceThread } from '@rchan/ctf/reader'
import { Coverage } from './coverage.js'
import { Sketch } from './sketch.js'
import { SpanModel, type WholeSpan } from './spans.js'

/** How numbers are distributed. Quantiles are at most 0.8 % (1/128) off; all else is exact. */
export interface Distribution {
  readonly count: number
  readonly min: number
  readonly mean: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** NaN and infinities, which don't count. Left out if there are none. */
  readonly notFinite?: number
}

/** The numbers of a field. */
export interface FieldSummary extends Distribution {
  /** Within a struct: `point.x`. */
  readonly name: string
  readonly unit?: string
}

/** What kind of tracepoint it is: for an asynchronous span its begins and ends are one. */
export type TracepointKind = 'event' | 'span' | 'async' | 'flow' | 'counter'

/** The records of one tracepoint. */
export interface TracepointSummary {
  readonly name: string
  readonly kind: TracepointKind
  readonly level: Level
  /** Events, or whole spans. */
  readonly count: number
  /** Over the whole trace. */
  readonly perSecond: number
  /** Of spans, in ns, without those that were cut. */
  readonly durations?: Distribution
  /** Spans that failed. */
  readonly failed?: number
  /** Spans without their end or their begin. */
  readonly cut?: number
  /** Spans during which their thread lost records. */
  readonly withLosses?: number
  /** Of the fields that are numbers. */
  readonly fields: readonly FieldSummary[]
}

/** What one thread did. Times are ns, counted from the start of the trace. */
export interface ThreadSummary {
  readonly pid: number
  readonly threadId: number
  readonly name: string
  readonly cpu: number
  readonly generation: number
  /** The file that it runs, if the trace says so. */
  readonly runs?: string
  /** When it came, or its first item. */
  readonly fromNs: number
  /** When it went, or the last item of its process. */
  readonly toNs: number
  /** How it went, if the trace says so. */
  readonly how?: string
  readonly events: number
  /** Time in spans that are no asynchronous ones; nested spans count once. */
  readonly busyNs: number
  /** The part of its time that it was in spans, from 0 to 1. */
  readonly load: number
  /** Records that it lost. */
  readonly lost: number
}

/** A trace in numbers. It can be written as JSON. */
export interface Summary {
  /** Wall-clock time of the first item, as ISO 8601 with ns. Undefined if there are no items. */
  readonly startedAt?: string
  readonly durationNs: number
  /** Records of tracepoints; the begin and the end of an asynchronous span are two. */
  readonly events: number
  /** Records that were lost. */
  readonly lost: number
  /** Packets that are missing. */
  readonly packetsMissing: number
  /** Sorted by name. */
  readonly tracepoints: readonly TracepointSummary[]
  /** In the order in which they came. */
  readonly threads: readonly ThreadSummary[]
}

/**
 * Sums up a trace.
 *
 * @param options which items count.
 * @example
 * console.log(summaryText(summarize(openTrace('./trace'))))
 */
export function summarize(source: ItemSource, options: ItemOptions = {}): Summary {
  const summary = new Summing()
  for (const item of source.items(options)) summary.push(item)
  return summary.result(source)
}

/** How to get at a number of an event's fields. */
interface NumberPath {
  readonly name: string
  readonly path: readonly string[]
  readonly unit: string | undefined
}

interface NumberSketch extends NumberPath {
  readonly sketch: Sketch
}

/** A tracepoint, so far. */
class Tracepoint {
  count = 0
  failed = 0
  cut = 0
  withLosses = 0
  readonly durations = new Sketch()
  readonly fields = new Map<string, NumberSketch>()
  readonly name: string
  readonly kind: TracepointKind
  level: Level
  readonly #seen = new Map<EventClass, readonly NumberSketch[]>()
  #event: EventClass | undefined
  #numbers: readonly NumberSketch[] = []

  constructor(name: string, kind: TracepointKind, level: Level) {
    this.name = name
    this.kind = kind
    this.level = level
  }

  addFields(event: EventClass, fields: ItemFields): void {
    if (event !== this.#event) {
      this.#event = event
      this.#numbers = this.#numbersOf(event)
    }
    for (const { path, sketch } of this.#numbers) {
      let value: DecodedValue = fields[path[0]]
      for (let depth = 1; depth < path.length && value !== undefined; depth += 1) {
        value = (value as Readonly<Record<string, DecodedValue>>)[path[depth]]
      }
      if (typeof value === 'number' || typeof value === 'bigint') sketch.add(value)
    }
  }

  #numbersOf(event: EventClass): readonly NumberSketch[] {
    let numbers = this.#seen.get(event)
    if (numbers === undefined) {
      numbers = numberPaths(event.fields).map((path) => {
        let known = this.fields.get(path.name)
        if (known === undefined) this.fields.set(path.name, (known = { ...path, sketch: new Sketch() }))
        return known
      })
      this.#seen.set(event, numbers)
    }
    return numbers
  }

  summary(seconds: number): TracepointSummary {
    const { name, kind, level, count, durations, failed, cut, withLosses } = this
    const isSpan = kind === 'span' || kind === 'async'
    return {
      name,
      kind,
      level,
      count,
      perSecond: seconds > 0 ? count / seconds : 0,
      ...(isSpan ? { durations: distributionOf(durations), failed, cut, withLosses } : {}),
      fields: [...this.fields.values()]
        .filter(({ sketch }) => sketch.count + sketch.notFinite > 0)
        .map(({ name: field, unit, sketch }) => ({
          name: field,
          ...(unit === undefined ? {} : { unit }),
          ...distributionOf(sketch),
        })),
    }
  }
}

/** A thread, so far. */
interface Thread {
  readonly thread: TraceThread
  from: bigint
  went: bigint | undefined
  events: number
  lost: number
  name: string
  runs: string | undefined
  how: string | undefined
  readonly coverage: Coverage
}

/** A summary in the making: for who reads the items anyway. */
export class Summing {
  readonly #tracepoints = new Map<string, Tracepoint>()
  readonly #threads = new Map<TraceThread, Thread>()
  readonly #ofEvent = new Map<EventClass, Tracepoint>()
  readonly #model = new SpanModel((span) => this.#span(span))
  #base = 0n
  #events = 0
  #lost = 0
  #packetsMissing = 0

  /** Takes the next item, in the order of time. */
  push(item: TraceItem): void {
    const isFirst = this.#model.extents.from === undefined
    if (isFirst) this.#base = item.time
    this.#model.push(item)
    switch (item.type) {
      case 'loss':
        this.#lost += item.events
        if (item.thread !== undefined) this.#thread(item.thread, item.time).lost += item.events
        return
      case 'gap':
        this.#packetsMissing += item.packets
        return
      case 'thread':
        this.#life(item)
        return
      default: {
        this.#events += 1
        const thread = this.#thread(item.thread, item.time)
        thread.events += 1
        if (item.type === 'span' || item.type === 'async') return
        const tracepoint = this.#tracepoint(item.event, item.type)
        tracepoint.count += 1
        tracepoint.addFields(item.event, item.fields)
      }
    }
  }

  #life({ thread: who, time, phase, runs, how }: Extract<TraceItem, { type: 'thread' }>): void {
    const thread = this.#thread(who, time)
    thread.name = who.name
    if (runs !== undefined) thread.runs = runs
    if (phase === 'came' && time < thread.from) thread.from = time
    if (phase !== 'went') return
    thread.how = how
    thread.went = time
  }

  #span({ kind, name, start, end, outcome, cutAtStart, hasLosses, thread, event, fields }: WholeSpan): void {
    const tracepoint = this.#tracepoint(event, kind, name)
    tracepoint.count += 1
    if (cutAtStart || outcome === 'cut') tracepoint.cut += 1
    else tracepoint.durations.add(Number(end - start))
    if (outcome === 'failed') tracepoint.failed += 1
    if (hasLosses) tracepoint.withLosses += 1
    tracepoint.addFields(event, fields)
    if (kind === 'async') return
    this.#thread(thread, start).coverage.add(Number(start - this.#base), Number(end - this.#base))
  }

  #tracepoint(event: EventClass, kind: TracepointKind, name = event.name): Tracepoint {
    let tracepoint = this.#ofEvent.get(event)
    if (tracepoint === undefined) {
      const key = `${kind} ${name}`
      tracepoint = this.#tracepoints.get(key)
      if (tracepoint === undefined) {
        this.#tracepoints.set(key, (tracepoint = new Tracepoint(name, kind, event.level ?? 'info')))
      }
      this.#ofEvent.set(event, tracepoint)
    }
    return tracepoint
  }

  #thread(thread: TraceThread, time: bigint): Thread {
    let known = this.#threads.get(thread)
    if (known === undefined) {
      known = {
        thread,
        from: time,
        went: undefined,
        events: 0,
        lost: 0,
        name: thread.name,
        runs: undefined,
        how: undefined,
        coverage: new Coverage(),
      }
      this.#threads.set(thread, known)
    }
    if (time < known.from) known.from = time
    return known
  }

  /** Returns the summary of what has been pushed. No more can be pushed then. */
  result(source: Pick<ItemSource, 'wallClock'>): Summary {
    this.#model.finish()
    const { from, to } = this.#model.extents
    const durationNs = from === undefined || to === undefined ? 0 : Number(to - from)
    return {
      ...(from === undefined ? {} : { startedAt: isoTime(source.wallClock(from)) }),
      durationNs,
      events: this.#events,
      lost: this.#lost,
      packetsMissing: this.#packetsMissing,
      tracepoints: [...this.#tracepoints.values()]
        .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.kind < b.kind ? -1 : 1))
        .map((tracepoint) => tracepoint.summary(durationNs / 1e9)),
      threads: [...this.#threads.values()]
        .sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : a.thread.threadId - b.thread.threadId))
        .map((thread) => this.#threadSummary(thread)),
    }
  }

  #threadSummary({ thread, from, went, events, lost, name, runs, how, coverage }: Thread): ThreadSummary {
    const { process, threadId, cpu, generation } = thread
    const to = went ?? this.#model.extents.toOf(process)
    const busyNs = Math.round(coverage.length)
    const time = Number(to - from)
    return {
      pid: process.pid,
      threadId,
      name,
      cpu,
      generation,
      ...(runs === undefined ? {} : { runs }),
      fromNs: Number(from - this.#base),
      toNs: Number(to - this.#base),
      ...(how === undefined ? {} : { how }),
      events,
      busyNs,
      load: time > 0 ? Math.min(1, busyNs / time) : 0,
      lost,
    }
  }
}

function distributionOf(sketch: Sketch): Distribution {
  const { count, notFinite } = sketch
  const of = (value: number | bigint): number => (count === 0 ? 0 : Number(value))
  return {
    count,
    min: of(sketch.min),
    mean: of(sketch.mean),
    p50: of(sketch.quantile(0.5)),
    p99: of(sketch.quantile(0.99)),
    max: of(sketch.max),
    ...(notFinite === 0 ? {} : { notFinite }),
  }
}

/** The numbers among fields, also in structs and optionals. Not those in arrays and sequences. */
function numberPaths(fields: readonly Field[], outer: readonly string[] = []): NumberPath[] {
  return fields.flatMap(({ name, type }) => pathsOf(type, [...outer, name]))
}

function pathsOf(type: FieldType, path: readonly string[]): NumberPath[] {
  const node = typeof type === 'string' ? { type } : type
  if (node.type === 'optional') return pathsOf(node.of, path)
  if (node.type === 'struct') return numberPaths(node.fields, path)
  if (!/^[uif]\d+$/.test(node.type)) return []
  const unit = 'unit' in node ? node.unit : undefined
  return [{ name: path.join('.'), path, unit }]
}

function isoTime(ns: bigint): string {
  const ms = ns / 1_000_000n
  const rest = String(ns % 1_000_000n).padStart(6, '0')
  const date = new Date(Number(ms))
  return Number.isNaN(date.getTime()) ? `${ns} ns` : date.toISOString().replace('Z', `${rest}Z`)
}
