/**
 * From the items of a recording to a model of the program. Reads them once, in the order of time.
 * Keeps the tasks that are open, and of the others sums, distributions, and the slowest: memory
 * doesn't grow with the trace.
 *
 * This file says which item tells of what. A process with its threads, pools and tasks is followed
 * by `process-model`.
 */
import type {
  AsyncItem,
  EventItem,
  FlowItem,
  ItemOptions,
  ItemSource,
  SpanItem,
  ThreadItem,
  TraceItem,
  TraceProcess,
  TraceThread,
} from '@rchan/ctf/reader'
import { CpuSums } from './cpu-sums.js'
import { crewsOf } from './crew.js'
import { Extents } from './extent.js'
import { idOf, numberOf, textOf } from './field-values.js'
import { findAll } from './findings/findings.js'
import { IoModel } from './io-model.js'
import { Largest } from './largest.js'
import { keyOf } from './message-model.js'
import type { Crew, Model, Pool, Route, Stall, Task, ThreadUse } from './model.js'
import { poolsOf } from './pool-workers.js'
import { ProcessModel, type Recorded } from './process-model.js'
import { Stacks } from './stacks.js'
import { TaskSink } from './task-tracker.js'
import type { ThreadModel } from './thread-model.js'
import { TimeBase } from './time-base.js'

const MOST_STALLS = 100

/** What to keep. */
export interface AnalysisOptions {
  /** How many of the slowest tasks of each pool. Default: 20. */
  readonly slowest?: number
  /** Is given each task, some time after its end: the model itself keeps only the slowest. */
  readonly onTask?: (task: Task) => void
}

/**
 * Makes a model of a recording.
 *
 * @param options which items count, and what to keep.
 * @example
 * for (const { title, advice } of analyse(openTrace('./trace')).findings) console.log(title, advice)
 */
export function analyse(source: ItemSource, options: ItemOptions & AnalysisOptions = {}): Model {
  const analysis = new Analysis(options)
  for (const item of source.items(options)) analysis.push(item)
  return analysis.result()
}

/** A model in the making: for who reads the items anyway. */
export class Analysis {
  readonly #recorded: Recorded
  readonly #times = new TimeBase()
  readonly #extents = new Extents()
  readonly #processes = new Map<TraceProcess, ProcessModel>()
  readonly #stalls = new Largest<Stall>(MOST_STALLS)
  readonly #losses = { events: 0, packets: 0 }
  readonly #stacks = new Stacks()
  readonly #io = new IoModel()

  constructor({ slowest = 20, onTask }: AnalysisOptions = {}) {
    this.#recorded = { times: this.#times, cpus: new CpuSums(), slowest, tasks: new TaskSink(onTask) }
  }

  /** Takes the next item, in the order of time. */
  push(item: TraceItem): void {
    this.#times.begin(item.time)
    this.#extents.add(item)
    switch (item.type) {
      case 'event':
        return this.#event(item)
      case 'span':
        return this.#span(item)
      case 'async':
        return this.#async(item)
      case 'counter':
        return this.#counter(item)
      case 'thread':
        return this.#thread(item)
      case 'loss':
        this.#losses.events += item.events
        if (item.thread !== undefined) this.#threadOf(item.thread, item.time).lost += item.events
        return
      case 'gap':
        this.#losses.packets += item.packets
        return
      case 'flow':
        if (item.event.name === 'message') this.#message(item)
    }
  }

  #event(item: EventItem): void {
    const { event, thread, time, fields } = item
    const process = this.#processOf(thread.process)
    switch (event.name) {
      case 'process:started':
        process.told(fields)
        process.threadOf(thread, time)
        return
      case 'process:child':
        return process.startedChild(fields)
      case 'worker:online':
        process.threadNumbered(fields.threadId, time).online ??= time
        return
      case 'worker:error':
        process.threadNumbered(fields.threadId, time).error = textOf(fields.message)
        return
      case 'worker:exits':
        process.threadOf(thread, time).ownExitCode = numberOf(fields.code)
        return
      case 'cpu':
        return process.account(time, fields)
      case 'cpu:all':
        return process.accountOfAll(time, fields)
      case 'sample':
      case 'sample:stack':
        return this.#sample(item)
      case 'gc:sums': {
        const since = this.#times.at(idOf(fields.since) ?? time)
        const { runs } = process.threadOf(thread, time)
        return runs.collectedSum(since, this.#times.at(time), numberOf(fields.duration) ?? 0)
      }
      case 'pool:found':
        process.poolOf(textOf(fields.pool) ?? '', thread).settings = {
          kind: textOf(fields.kind) ?? '',
          minThreads: numberOf(fields.minThreads),
          maxThreads: numberOf(fields.maxThreads) || undefined,
          tasksPerThread: Math.max(1, numberOf(fields.tasksPerThread) ?? 1),
        }
        return
      case 'task:dispatched':
        return process.tasks.dispatched(time, fields)
      case 'task:arguments':
        return process.tasks.given(fields)
      case 'task:replied':
        return process.tasks.replied(thread, time, fields)
      case 'message:taken': {
        const key = keyOf(fields)
        if (key !== undefined) process.messages.taken(key)
      }
    }
  }

  #sample(item: EventItem): void {
    const sample = this.#stacks.push(item)
    if (sample === undefined) return
    const { thread, from, to, stack, count } = sample
    this.#threadOf(thread, item.time).sampled(this.#times.at(from), this.#times.at(to), stack, count)
  }

  #span(item: SpanItem): void {
    const { event, thread, time, start, end, outcome, fields } = item
    const process = this.#processOf(thread.process)
    const [from, to] = [this.#times.at(start), this.#times.at(end)]
    switch (event.name) {
      case 'task:run':
        return process.tasks.ran(item)
      case 'gc':
        return process.threadOf(thread, time).runs.collected(from, to)
      case 'loop:stall':
        process.threadOf(thread, time).stalled(to - from)
        return this.#stalls.add(to - from, { thread, from: start, to: end })
      case 'worker:boot': {
        const worker = process.threadOf(thread, time)
        worker.isProbed = true
        if (start < worker.from) worker.from = start
        if (outcome !== 'cut') worker.ready ??= end
        // What was collected then is no task's.
        return worker.runs.worked(from, to)
      }
      case 'message:handle':
        return process.messages.handled(process.threadOf(thread, time), keyOf(fields), from, to)
      case 'message:post': {
        const key = keyOf(fields)
        const model = process.threadOf(thread, time)
        // A span that was cut off has no fields.
        if (key !== undefined) process.messages.posted(model, key, from, to, outcome === 'failed')
        return
      }
      default:
        this.#io.push(item)
    }
  }

  #async(item: AsyncItem): void {
    const { name, phase, thread, time } = item
    const process = this.#processOf(thread.process)
    if (name === 'task') {
      process.threadOf(thread, time)
      if (phase === 'begin') process.tasks.begin(item)
      else process.tasks.end(item)
    } else if (name === 'worker:life') {
      this.#life(process.threadNumbered(Number(item.id), time), item)
    }
  }

  #life(worker: ThreadModel, { phase, thread, time, fields, outcome }: AsyncItem): void {
    if (phase === 'begin') {
      worker.spawned = time
      worker.parent = thread
      worker.startedWith(textOf(fields.file) ?? '')
      worker.heapLimit = (numberOf(fields.heapLimitMb) ?? 0) * 2 ** 20
      return
    }
    worker.exit = time
    worker.exitCode = numberOf(fields.exitCode)
    if (outcome === 'failed') worker.error ??= textOf(fields.error)
  }

  #counter({ event: { name }, thread, time, fields }: Extract<TraceItem, { type: 'counter' }>): void {
    if (name === 'memory') {
      const used = numberOf(fields.oldUsed) ?? numberOf(fields.heapUsed) ?? 0
      const limit = numberOf(fields.heapLimit) ?? 0
      if (limit > 0) this.#threadOf(thread, time).memory(used, limit)
    } else if (name.startsWith('pool:')) {
      const pool = this.#processOf(thread.process).pools.get(name.slice('pool:'.length))
      if (pool !== undefined) pool.mostThreads = Math.max(pool.mostThreads, numberOf(fields.threads) ?? 0)
    } else if (name === 'loop') {
      this.#threadOf(thread, time).utilization(numberOf(fields.utilization) ?? 0)
    }
  }

  #thread(item: ThreadItem): void {
    const { thread, time, phase, runs } = item
    this.#stacks.push(item)
    const known = this.#threadOf(thread, time)
    if (runs !== undefined && runs !== '') known.file = runs
    if (phase === 'came' && time < known.from) known.from = time
    if (phase === 'went' && known.exit === undefined) known.exit = time
  }

  #message({ phase, id, thread, time }: FlowItem): void {
    const process = this.#processOf(thread.process)
    const model = process.threadOf(thread, time)
    if (phase === 'start') process.messages.posting(model, Number(id), this.#times.at(time))
    else if (phase === 'end') process.messages.received(model, Number(id), this.#times.at(time))
  }

  #processOf(process: TraceProcess): ProcessModel {
    let model = this.#processes.get(process)
    if (model === undefined) this.#processes.set(process, (model = new ProcessModel(process, this.#recorded)))
    return model
  }

  #threadOf(thread: TraceThread, time: bigint): ThreadModel {
    return this.#processOf(thread.process).threadOf(thread, time)
  }

  /** Returns the model of what has been pushed. No more can be pushed then. */
  result(): Model {
    const { cpus: cpuSums, tasks } = this.#recorded
    const from = this.#extents.from ?? 0n
    const to = this.#extents.to ?? 0n
    const threads: ThreadUse[] = []
    const pools: Pool[] = []
    const crews: Crew[] = []
    const routes: Route[] = []
    for (const process of this.#processes.values()) {
      const end = this.#extents.toOf(process.process)
      for (const { runs } of process.threads.values()) runs.finish()
      process.tasks.finish(end, this.#losses.events > 0)
      const uses = [...process.threads.values()].map((thread) => thread.use(end))
      const own = poolsOf(process, uses)
      const pooled = new Set(own.flatMap(({ workers }) => workers.map(({ thread }) => thread)))
      const { threads: models, messages } = process
      const { base } = this.#times
      const talks = crewsOf({ process: process.process, threads: models, messages, uses, pooled, base })
      threads.push(...uses.filter(({ role }) => role !== 'sampler'))
      pools.push(...own)
      crews.push(...talks.crews)
      routes.push(...talks.routes)
    }
    const recorded = new Set([...this.#processes.values()].flatMap(({ pids }) => pids))
    const processes = [...this.#processes.values()].map((each) => each.use(this.#extents, recorded))
    const cpus = Math.max(0, ...processes.map((process) => process.cpus ?? 0))
    const cpuUse = cpuSums.means(Number(to - from))
    const model = {
      from,
      to,
      ...(cpus === 0 ? {} : { cpus }),
      ...(cpuUse === undefined ? {} : { cpuUse }),
      processes,
      threads: threads.sort(byImportance),
      pools,
      crews,
      routes: routes.sort((a, b) => b.messages - a.messages),
      io: this.#io.result(),
      stalls: this.#stalls.sorted().sort((a, b) => (a.from < b.from ? -1 : 1)),
      losses: { ...this.#losses, tasks: tasks.lost },
    }
    return { ...model, findings: findAll(model) }
  }
}

function byImportance(a: ThreadUse, b: ThreadUse): number {
  if (a.thread.process !== b.thread.process) return a.thread.process.index - b.thread.process.index
  if (a.role !== b.role) return a.role === 'main' ? -1 : 1
  return a.from < b.from ? -1 : a.from > b.from ? 1 : a.thread.threadId - b.thread.threadId
}
