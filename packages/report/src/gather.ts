/**
 * From the items of a recording, and the model of it, to what a page shows. Reads the items once,
 * in the order of time, in memory that has bounds.
 */
import { AsyncPairs, Largest, SAMPLER, type Model, type Task } from '@rchan/analysis'
import type {
  CounterItem,
  EventItem,
  FlowItem,
  ItemFields,
  Outcome,
  SpanItem,
  TraceItem,
  TraceProcess,
  TraceThread,
} from '@rchan/ctf/reader'
import { ChartSeries } from './chart-series.js'
import { CpuAccount } from './cpu-account.js'
import type { Density } from './density.js'
import { KeptEvents } from './kept-events.js'
import { KeptSlices, type Slice } from './kept-slices.js'
import { lanesOf } from './lanes.js'
import type { Chart, Column, Flows, Loss, PageData, PageThread, Tasks } from './page-data.js'
import { Rows, type Row } from './rows.js'
import { fieldsText, shortText, shownName } from './shown-text.js'

const OUTCOMES: readonly Outcome[] = ['ok', 'failed', 'cut']
const CUT = OUTCOMES.indexOf('cut')
/** What the page shows in other ways, or not at all. */
const OWN_ASYNCS: ReadonlySet<string> = new Set(['task', 'worker:life'])
const OWN_COUNTERS = /^(memory|loop|pool:.*)$/
const OWN_EVENTS =
  /^(cpu|gc:sums|pool:found|process:(started|child)|sample|(sample|message|task|worker|loop|rchan):.*)$/
const OWN_FLOWS: ReadonlySet<string> = new Set(['task:flow'])

const MOST_SLICES = 1_000_000
const MOST_EVENTS = 50_000
const MOST_FLOW_POINTS = 200_000
const MOST_TASKS = 30_000
const MOST_CHARTS = 24
const MOST_LOSSES = 2000
/** Of what is left out, so many names are told. */
const LEFT_OUT_NAMES = 1000
/** Names that the program itself has given; with more, spans have the names of their events. */
const MOST_NAMES = 100_000
const MOST_STALLS = 5000
const DENSITY_PARTS = 1024
/** What lies farther before or after the recording than its length, or this, is left out. */
const NEAR_NS = 1e9

interface FlowPoint {
  readonly way: number
  readonly name: number
  readonly time: number
  readonly thread: number
}

interface Counted {
  readonly process: TraceProcess
  readonly label: string
  readonly unit: string
  readonly samples: ChartSeries
}

/** Gathers what a page shows. */
export class Gatherer {
  readonly #slices: KeptSlices
  readonly #events = new KeptEvents(MOST_EVENTS)
  readonly #tasks = new Largest<Task>(MOST_TASKS)
  readonly #asyncs = new AsyncPairs<undefined>()
  readonly #names = new Numbered(MOST_NAMES)
  readonly #threads: TraceThread[] = []
  readonly #numbers = new Map<TraceThread, number>()
  readonly #accounts = new Map<TraceProcess, Map<number, CpuAccount>>()
  readonly #flows: FlowPoint[] = []
  readonly #ways = new Map<string, number>()
  /** By process, name and field. */
  readonly #counters = new Map<string, Counted>()
  readonly #stalls: { thread: number; from: number; to: number }[] = []
  readonly #losses: { thread: number; from: number; to: number; text: string }[] = []
  #base: bigint | undefined
  #to = 0n
  #isOver = false
  #lostFlows = 0
  #lostTasks = 0
  #lostValues = 0
  #lostLosses = 0
  #lostStalls = 0

  /** @param most how many slices are kept. */
  constructor(most = MOST_SLICES) {
    this.#slices = new KeptSlices(most)
  }

  /** Takes the next item. */
  push(item: TraceItem): void {
    this.#base ??= item.time
    if (item.time > this.#to) this.#to = item.time
    switch (item.type) {
      case 'span':
        return this.#span(item)
      case 'async':
        return this.#async(item)
      case 'event':
        return this.#event(item)
      case 'counter':
        return this.#counter(item)
      case 'flow':
        return this.#flow(item)
      case 'loss':
        return this.#loss(
          item,
          item.thread,
          `${item.events} ${item.events === 1 ? 'event was' : 'events were'} lost`,
        )
      case 'gap':
        return this.#loss(
          item,
          undefined,
          `${item.packets} ${item.packets === 1 ? 'packet is' : 'packets are'} missing, of CPU ${item.cpu}`,
        )
      case 'thread':
    }
  }

  /** Takes a task that is over. */
  addTask(task: Task): void {
    this.#tasks.add(lengthOf(task), task)
  }

  /** Leaves out half of what there is most of. @returns false if nothing more can be left out. */
  shrink(): boolean {
    const slices = this.#slices.slices.length
    const accounts = [...this.#accounts.values()]
      .flatMap((each) => [...each.values()])
      .filter(({ canShrink }) => canShrink)
    const samples = accounts.reduce((sum, { length }) => sum + length, 0)
    const others = this.#events.kept.length + this.#flows.length + this.#tasks.count + samples
    if (slices > 1 && slices >= others) this.#slices.shrink()
    else if (others > 0) {
      this.#events.shrink()
      this.#tasks.shrink()
      for (const account of accounts) account.shrink()
      const flows = this.#flows.length >> 1
      this.#lostFlows += this.#flows.length - flows
      this.#flows.length = flows
    } else return false
    return true
  }

  /** Returns what a page shows. Cuts the spans that are open. */
  result(model: Model): PageData {
    if (!this.#isOver) {
      this.#isOver = true
      for (const { begin } of this.#asyncs.open()) {
        this.#add(begin, true, begin.name, begin.time, this.#to, CUT, () => fieldsText(begin.fields))
      }
    }
    const rows = new Rows(model, this.#threads)
    const rowOf = (thread: number): number => (thread < 0 ? -1 : rows.of(this.#threads[thread]))
    const last = this.#at(this.#to)
    const reach = Math.max(last, NEAR_NS)
    const isNear = (start: number, end: number): boolean => end >= -reach && start <= last + reach
    const near = this.#slices.slices
      .filter(({ start, duration }) => isNear(start, start + duration))
      .map((slice) => this.#untilExit(slice, rows.threads[rowOf(slice.thread)]))
    const nearEvents = this.#events.kept.filter(({ time }) => isNear(time, time))
    const farAway = this.#slices.slices.length - near.length + this.#events.kept.length - nearEvents.length
    const { lanes, tooDeep } = lanesOf(near, rowOf)
    const sorted = lanes.flatMap(({ slices }) => slices)
    const tasks = this.#tasksOf(model)
    const densities = new Map<number, Density[]>()
    for (const [number, density] of this.#slices.densities) {
      const row = rowOf(number)
      densities.set(row, [...(densities.get(row) ?? []), density])
    }
    const texts = new Numbered()
    // Of what is left out, the names are not there either.
    const names = new Numbered()
    const nameOf = ({ name }: { readonly name: number }): number => names.of(this.#names.all[name])
    const numberOf = (text: string): number => (text === '' ? -1 : texts.of(text))
    const column = <T>(values: readonly T[], of: (value: T) => number): Column =>
      Float64Array.from(values, of)
    const places = new Map(
      tasks.map(({ id, submitter }, place) => [taskKey(submitter.process, Number(id)), place]),
    )
    let first = 0
    const slices = {
      start: column(sorted, ({ start }) => start),
      duration: column(sorted, ({ duration }) => duration),
      name: column(sorted, nameOf),
      outcome: column(sorted, ({ outcome }) => outcome),
      text: column(sorted, ({ text }) => numberOf(text)),
      task: column(sorted, ({ thread, task }) =>
        task < 0 ? -1 : (places.get(taskKey(this.#threads[thread].process, task)) ?? -1),
      ),
    }
    const events = nearEvents
      .map((event) => ({ ...event, row: rowOf(event.thread) }))
      .filter(({ row }) => row >= 0)
      .sort((a, b) => a.row - b.row || a.time - b.time)
    let from = 0
    let to = Math.max(1, last)
    for (const { start, duration } of sorted) {
      from = Math.min(from, start)
      to = Math.max(to, start + duration)
    }
    for (const { time } of events) {
      from = Math.min(from, time)
      to = Math.max(to, time)
    }
    from = Math.max(from, -reach)
    to = Math.min(to, last + reach)
    return {
      from,
      to,
      names: names.all,
      texts: texts.all,
      processes: rows.processes,
      threads: rows.threads.map((thread, row) =>
        this.#thread(thread, rows, densities.get(row) ?? [], { from, to }),
      ),
      lanes: lanes.map(({ thread, isAsync, slices: { length: count } }) => {
        first += count
        return { thread, isAsync, first: first - count, count }
      }),
      slices,
      leftOut: {
        shorterThan: this.#slices.shortest,
        count: this.#slices.leftOut,
        sums: [...this.#slices.sums]
          .map(([name, { count, ns }]) => ({ name: this.#names.all[name], count, ns }))
          .sort((a, b) => b.ns - a.ns)
          .slice(0, LEFT_OUT_NAMES),
        tooDeep,
        farAway,
        everyEvent: this.#events.every,
        flows: this.#lostFlows,
        tasks: this.#lostTasks,
        counterValues: this.#lostValues,
        losses: this.#lostLosses,
        stalls: this.#lostStalls,
      },
      events: {
        time: column(events, ({ time }) => time),
        thread: column(events, ({ row }) => row),
        name: column(events, nameOf),
        text: column(events, ({ text }) => numberOf(text)),
      },
      flows: this.#flowColumns(rowOf, nameOf),
      tasks: this.#taskColumns(tasks, rows, names, numberOf),
      charts: [...poolCharts(model, rows, (time) => this.#at(time)), ...this.#charts(rows)],
      stalls: this.#stallColumns(rowOf),
      losses: this.#losses.map((loss): Loss => ({ ...loss, thread: rowOf(loss.thread) })),
    }
  }

  /** That a thread is gone is seen later than it went: what that cut ended with the thread. */
  #untilExit(slice: Slice, row: Row | undefined): Slice {
    const exit = row?.use?.exit
    if (slice.outcome !== CUT || slice.isAsync || exit === undefined) return slice
    const duration = Math.max(0, Math.min(slice.duration, this.#at(exit) - slice.start))
    return { ...slice, duration }
  }

  #at(time: bigint): number {
    return Number(time - (this.#base ?? 0n))
  }

  #threadOf(thread: TraceThread): number {
    let number = this.#numbers.get(thread)
    if (number === undefined) this.#numbers.set(thread, (number = this.#threads.push(thread) - 1))
    return number
  }

  /** @param textOf is called only if the slice is long enough to be kept. */
  #add(
    { thread, event }: { readonly thread: TraceThread; readonly event: { readonly name: string } },
    isAsync: boolean,
    name: string,
    start: bigint,
    end: bigint,
    outcome: number,
    textOf: () => string,
    task = -1,
  ): void {
    if (thread.name === SAMPLER) return
    const duration = Math.max(0, Number(end - start))
    this.#slices.add({
      thread: this.#threadOf(thread),
      isAsync,
      name: this.#names.of(name, event.name),
      start: this.#at(start),
      duration,
      outcome,
      text: duration < this.#slices.shortest ? '' : textOf(),
      task,
    })
  }

  #span(item: SpanItem): void {
    const { event, thread, start, end, outcome, fields } = item
    const { name } = event
    if (name === 'loop:stall') {
      if (this.#stalls.length >= MOST_STALLS) this.#lostStalls += 1
      else this.#stalls.push({ thread: this.#threadOf(thread), from: this.#at(start), to: this.#at(end) })
      return
    }
    const isRun = name === 'task:run'
    const id = isRun ? Number(fields.id ?? -1) : -1
    this.#add(
      item,
      false,
      shownName(name, fields),
      start,
      end,
      OUTCOMES.indexOf(outcome),
      () => (isRun ? '' : fieldsText(fields)),
      Number.isFinite(id) ? id : -1,
    )
  }

  #async(item: Extract<TraceItem, { type: 'async' }>): void {
    if (OWN_ASYNCS.has(item.name)) return
    if (item.phase === 'begin') {
      this.#asyncs.begin(
        item,
        () => undefined,
        ({ begin }) =>
          this.#add(begin, true, begin.name, begin.time, item.time, CUT, () => fieldsText(begin.fields)),
      )
      return
    }
    const open = this.#asyncs.end(item)
    // The begin may have been lost, or lie before what is read: then nothing is known of its
    // length.
    const begin = open?.begin ?? item
    const outcome = open === undefined ? CUT : OUTCOMES.indexOf(item.outcome ?? 'ok')
    this.#add(begin, true, item.name, begin.time, item.time, outcome, () =>
      [...(open === undefined ? [] : [fieldsText(begin.fields)]), fieldsText(item.fields)]
        .filter((each) => each !== '')
        .join('\n'),
    )
  }

  #event({ event: { name }, thread, time, at, fields }: EventItem): void {
    if (name === 'cpu') return this.#account(thread.process, time, fields)
    if (OWN_EVENTS.test(name) || thread.name === SAMPLER) return
    this.#events.add(() => ({
      thread: this.#threadOf(thread),
      name: this.#names.of(shownName(name, fields), name),
      time: this.#at(at),
      text: fieldsText(fields),
    }))
  }

  #account(process: TraceProcess, time: bigint, { threadId, onCpu, waitingForCpu }: ItemFields): void {
    let accounts = this.#accounts.get(process)
    if (accounts === undefined) this.#accounts.set(process, (accounts = new Map()))
    const id = Number(threadId)
    let account = accounts.get(id)
    if (account === undefined) accounts.set(id, (account = new CpuAccount()))
    const [ran, waited] = [Number(onCpu), Number(waitingForCpu)]
    if (Number.isFinite(ran) && Number.isFinite(waited)) account.add(this.#at(time), ran, waited)
  }

  #counter({ event: { name, fields: described }, thread, time, fields }: CounterItem): void {
    if (OWN_COUNTERS.test(name) || thread.name === SAMPLER) return
    for (const [field, value] of Object.entries(fields)) {
      const number = typeof value === 'bigint' ? Number(value) : value
      if (typeof number !== 'number' || !Number.isFinite(number)) continue
      const key = `${thread.process.index} ${name} ${field}`
      let chart = this.#counters.get(key)
      if (chart === undefined) {
        if (this.#counters.size >= MOST_CHARTS) {
          this.#lostValues += 1
          continue
        }
        const type = described.find((each) => each.name === field)?.type
        chart = {
          process: thread.process,
          label: field === 'value' && described.length === 1 ? name : `${name} ${field}`,
          unit: typeof type === 'object' ? (type.unit ?? '') : '',
          samples: new ChartSeries(),
        }
        this.#counters.set(key, chart)
      }
      chart.samples.add(this.#at(time), number)
    }
  }

  #flow({ event: { name }, thread, time, id }: FlowItem): void {
    if (OWN_FLOWS.has(name)) return
    if (this.#flows.length >= MOST_FLOW_POINTS) {
      this.#lostFlows += 1
      return
    }
    const key = `${thread.process.index} ${name} ${id}`
    let way = this.#ways.get(key)
    if (way === undefined) this.#ways.set(key, (way = this.#ways.size))
    this.#flows.push({
      way,
      name: this.#names.of(name),
      time: this.#at(time),
      thread: this.#threadOf(thread),
    })
  }

  #loss(
    { from, to }: { readonly from: bigint; readonly to: bigint },
    thread: TraceThread | undefined,
    text: string,
  ): void {
    if (this.#losses.length >= MOST_LOSSES) {
      this.#lostLosses += 1
      return
    }
    const number = thread === undefined ? -1 : this.#threadOf(thread)
    this.#losses.push({ thread: number, from: this.#at(from), to: this.#at(to), text })
  }

  #thread(
    { process, id, label, about, use }: Rows['threads'][number],
    rows: Rows,
    densities: readonly Density[],
    extent: { readonly from: number; readonly to: number },
  ): PageThread {
    const density = new Float64Array(densities.length > 0 ? DENSITY_PARTS : 0)
    for (const each of densities) {
      each.within(extent.from, extent.to, DENSITY_PARTS).forEach((part, index) => {
        density[index] = Math.min(1000, density[index] + part)
      })
    }
    const account = this.#accounts.get(rows.processOf(process))?.get(id) ?? new CpuAccount()
    return {
      process,
      id,
      label,
      about,
      from: use === undefined ? extent.from : this.#at(use.from),
      to: use === undefined ? extent.to : this.#at(use.to),
      cpu: account.band(),
      density,
    }
  }

  #tasksOf({ pools }: Model): Task[] {
    const kept = this.#tasks.sorted()
    const keys = new Set(kept.map(({ id, submitter }) => taskKey(submitter.process, Number(id))))
    const slowest = pools.flatMap((pool) => pool.slowest)
    const all = [
      ...kept,
      ...slowest.filter(({ id, submitter }) => !keys.has(taskKey(submitter.process, Number(id)))),
    ]
    this.#lostTasks = pools.reduce((sum, { tasks }) => sum + tasks, 0) - all.length
    return all.sort((a, b) => (a.queued < b.queued ? -1 : 1))
  }

  #taskColumns(tasks: readonly Task[], rows: Rows, names: Numbered, textOf: (text: string) => number): Tasks {
    const column = (of: (task: Task) => number): Column => Float64Array.from(tasks, of)
    const since = (stage: 'dispatched' | 'woken' | 'started' | 'finished' | 'replied' | 'handled'): Column =>
      column(({ queued, [stage]: time }) => (time === undefined ? -1 : Math.max(0, Number(time - queued))))
    const part = (name: 'onCpu' | 'waitingForCpu' | 'gc' | 'blocked'): Column =>
      column(({ [name]: ns }) => (ns === undefined ? -1 : Math.round(ns)))
    return {
      id: column(({ id }) => Number(id)),
      pool: column(({ pool }) => names.of(pool)),
      name: column(({ name }) => names.of(name)),
      submitter: column(({ submitter }) => rows.of(submitter)),
      worker: column(({ worker }) => (worker === undefined ? -1 : rows.of(worker))),
      queued: column(({ queued }) => this.#at(queued)),
      dispatched: since('dispatched'),
      woken: since('woken'),
      started: since('started'),
      finished: since('finished'),
      replied: since('replied'),
      handled: since('handled'),
      onCpu: part('onCpu'),
      waiting: part('waitingForCpu'),
      gc: part('gc'),
      blocked: part('blocked'),
      estimated: column(({ isEstimated = false }) => Number(isEstimated)),
      outcome: column(({ outcome }) => OUTCOMES.indexOf(outcome)),
      size: column(({ size = -1 }) => size),
      given: column(({ arguments: given }) => (given === undefined ? -1 : textOf(shortText(given)))),
    }
  }

  #flowColumns(rowOf: (thread: number) => number, nameOf: (point: FlowPoint) => number): Flows {
    const points = this.#flows
      .map((point) => ({ ...point, row: rowOf(point.thread) }))
      .filter(({ row }) => row >= 0)
      .sort((a, b) => a.way - b.way || a.time - b.time)
    const column = (of: (point: (typeof points)[number]) => number): Column => Float64Array.from(points, of)
    return {
      way: column(({ way }) => way),
      name: column(nameOf),
      time: column(({ time }) => time),
      thread: column(({ row }) => row),
    }
  }

  #stallColumns(rowOf: (thread: number) => number): PageData['stalls'] {
    const shown = this.#stalls.map((stall) => ({ ...stall, row: rowOf(stall.thread) }))
    return {
      thread: Float64Array.from(shown, ({ row }) => row),
      from: Float64Array.from(shown, ({ from }) => from),
      to: Float64Array.from(shown, ({ to }) => to),
    }
  }

  #charts(rows: Rows): Chart[] {
    return [...this.#counters.values()].map(
      ({ process, label, unit, samples: { times, values } }): Chart => ({
        label,
        unit,
        process: rows.placeOf(process),
        times: Float64Array.from(times),
        series: [{ label: '', values: Float64Array.from(values) }],
      }),
    )
  }
}

function poolCharts({ pools }: Model, rows: Rows, at: (time: bigint) => number): Chart[] {
  return pools
    .filter(({ queue }) => queue.length > 1)
    .map(({ name, process, queue }): Chart => ({
      label: name,
      unit: '',
      process: rows.placeOf(process),
      times: Float64Array.from(queue, ({ time }) => at(time)),
      series: [
        { label: 'queued', values: Float64Array.from(queue, ({ queued }) => queued) },
        { label: 'running', values: Float64Array.from(queue, ({ running }) => running) },
      ],
    }))
}

/** Texts by number. */
class Numbered {
  readonly all: string[] = []
  readonly #numbers = new Map<string, number>()
  readonly #most: number

  constructor(most = Infinity) {
    this.#most = most
  }

  /** @param instead what is taken if there are too many. */
  of(text: string, instead = text): number {
    let number = this.#numbers.get(text)
    if (number !== undefined) return number
    if (this.all.length >= this.#most && instead !== text) return this.of(instead)
    this.#numbers.set(text, (number = this.all.push(text) - 1))
    return number
  }
}

function taskKey({ index }: TraceProcess, id: number): string {
  return `${index} ${id}`
}

function lengthOf({ queued, dispatched, finished, handled }: Task): number {
  return Number((handled ?? finished ?? dispatched ?? queued) - (dispatched ?? queued))
}
