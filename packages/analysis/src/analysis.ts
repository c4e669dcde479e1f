/**
 * From the items of a recording to a model of the program. Reads them once, in the order of time.
 * Keeps the tasks that are open, and of the others sums, distributions, and the slowest: memory
 * doesn't grow with the trace.
 */
import type {
  AsyncItem,
  DecodedValue,
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
import { Largest } from './largest.js'
import { keyOf, MessageModel } from './message-model.js'
import type { Crew, Model, Pool, ProcessUse, Route, Stall, StartedProcess, Task, ThreadUse } from './model.js'
import { PoolModel } from './pool-model.js'
import { Stacks } from './stacks.js'
import { TaskState } from './task-state.js'
import { ThreadModel } from './thread-model.js'

/** Tasks that can be open at once in all processes. More are counted, and not followed. */
const MOST_OPEN = 262_144
/** Tasks whose last records may come after their end, of each process. */
const MOST_CLOSING = 256
const MOST_STALLS = 100
/** Characters of the text of a task's arguments. */
const LONGEST_ARGUMENTS = 160
/** Children that are kept of each process. */
const MOST_STARTED = 1000
const NODE = /(^|[/\\])node(js)?(\.exe)?$/i

/** What to keep. */
export interface AnalysisOptions {
  /** How many of the slowest tasks of each pool. Default: 20. */
  readonly slowest?: number
  /** Is given each task, some time after its end: the model itself keeps only the slowest. */
  readonly onTask?: (task: Task) => void
}

/** A process, so far. */
interface ProcessState {
  readonly process: TraceProcess
  command: string | undefined
  parentPid: number | undefined
  cpus: number | undefined
  /** Its parent, as the system has it. */
  ppid: number | undefined
  readonly started: Omit<StartedProcess, 'isRecorded'>[]
  readonly threads: Map<number, ThreadModel>
  readonly messages: MessageModel
  readonly pools: Map<string, PoolModel>
  readonly open: Map<bigint, TaskState>
  /** Tasks that have ended. The worker may tell the end of its reply later. */
  readonly closing: Map<bigint, TaskState>
  /** What {@link PoolModel.backlog} had for `waitedForEach` when a task was dispatched. */
  readonly waitedAtStart: Map<bigint, number>
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
  readonly #slowest: number
  readonly #onTask: ((task: Task) => void) | undefined
  readonly #extents = new Extents()
  readonly #processes = new Map<TraceProcess, ProcessState>()
  readonly #stalls = new Largest<Stall>(MOST_STALLS)
  readonly #losses = { events: 0, packets: 0, tasks: 0 }
  readonly #stacks = new Stacks()
  #base: bigint | undefined
  readonly #cpus = new CpuSums()
  #open = 0

  constructor({ slowest = 20, onTask }: AnalysisOptions = {}) {
    this.#slowest = slowest
    this.#onTask = onTask
  }

  /** Takes the next item, in the order of time. */
  push(item: TraceItem): void {
    this.#base ??= item.time
    this.#extents.add(item)
    switch (item.type) {
      case 'event':
        return this.#event(item)
      case 'span':
        return this.#span(item)
      case 'async':
        if (item.name === 'task') this.#task(item)
        else if (item.name === 'worker:life') this.#life(item)
        return
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
    const {
      event: { name },
      thread,
      time,
      fields,
    } = item
    const process = this.#processOf(thread.process)
    switch (name) {
      case 'process:started':
        process.command = textOf(fields.command)
        process.ppid = numberOf(fields.ppid)
        process.parentPid = numberOf(fields.parent) || process.ppid
        process.cpus = numberOf(fields.cpus)
        this.#threadOf(thread, time)
        return
      case 'process:child': {
        const file = textOf(fields.file) ?? ''
        if (!NODE.test(file) || process.started.length >= MOST_STARTED) return
        process.started.push({ pid: numberOf(fields.pid) ?? 0, command: textOf(fields.command) ?? file })
        return
      }
      case 'worker:online':
        this.#threadNumbered(process, fields.threadId, time).online ??= time
        return
      case 'worker:error':
        this.#threadNumbered(process, fields.threadId, time).error = textOf(fields.message)
        return
      case 'cpu':
        return this.#account(process, time, fields)
      case 'cpu:all':
        this.#cpus.told(
          this.#at(time),
          process,
          numberOf(fields.used) ?? 0,
          numberOf(fields.machineIdle) ?? 0,
        )
        for (const pool of process.pools.values()) pool.advance(this.#at(time))
        return
      case 'sample':
      case 'sample:stack':
        return this.#sample(item)
      case 'gc:sums':
        this.#threadOf(thread, time).runs.collectedSum(
          this.#at(idOf(fields.since) ?? time),
          this.#at(time),
          numberOf(fields.duration) ?? 0,
        )
        return
      case 'pool:found': {
        const pool = this.#poolOf(process, textOf(fields.pool) ?? '', thread)
        pool.settings = {
          kind: textOf(fields.kind) ?? '',
          minThreads: numberOf(fields.minThreads),
          maxThreads: numberOf(fields.maxThreads) || undefined,
          tasksPerThread: Math.max(1, numberOf(fields.tasksPerThread) ?? 1),
        }
        return
      }
      case 'task:dispatched':
        return this.#dispatched(process, time, fields)
      case 'task:arguments': {
        const id = idOf(fields.id)
        const task = id === undefined ? undefined : process.open.get(id)
        if (task !== undefined) task.arguments = textOf(fields.text)?.slice(0, LONGEST_ARGUMENTS)
        return
      }
      case 'message:taken': {
        const key = keyOf(fields)
        if (key !== undefined) process.messages.taken(key)
        return
      }
      case 'task:replied': {
        const id = idOf(fields.id)
        const task = id === undefined ? undefined : (process.open.get(id) ?? process.closing.get(id))
        if (task === undefined) return
        task.replied = time
        const took = numberOf(fields.serializeNs) ?? 0
        this.#threadOf(thread, time).runs.replied(this.#at(time) - took, this.#at(time))
        process.pools.get(task.pool)?.serialized(took)
      }
    }
  }

  #sample(item: EventItem): void {
    const sample = this.#stacks.push(item)
    if (sample === undefined) return
    const { thread, from, to, stack, count } = sample
    this.#threadOf(thread, item.time).sampled(this.#at(from), this.#at(to), stack, count)
  }

  #account(process: ProcessState, time: bigint, fields: EventItem['fields']): void {
    const { threadId, onCpu, waitingForCpu } = fields
    const thread = this.#threadNumbered(process, threadId, time)
    const ran = thread.account(this.#at(time), numberOf(onCpu) ?? 0, numberOf(waitingForCpu) ?? 0)
    this.#cpus.threadRan(process, ran)
    process.messages.accounted(thread)
    for (const pool of process.pools.values()) {
      pool.advance(this.#at(time))
      pool.accounted(thread)
    }
  }

  #dispatched(process: ProcessState, time: bigint, fields: EventItem['fields']): void {
    const id = idOf(fields.id)
    const task = id === undefined ? undefined : process.open.get(id)
    if (id === undefined || task === undefined || task.dispatched !== undefined) return
    const worker = this.#threadNumbered(process, fields.threadId, time)
    const pool = this.#poolOf(process, task.pool, task.submitter)
    pool.advance(this.#at(time))
    pool.backlog.change(-1, 1)
    task.dispatched = time
    task.size = numberOf(fields.size) ?? 0
    task.worker = worker.thread
    process.waitedAtStart.set(id, pool.backlog.waitedForEach)
    pool.dispatched(task, worker.thread, time)
  }

  #message({ phase, id, thread, time }: FlowItem): void {
    const model = this.#threadOf(thread, time)
    const { messages } = this.#processOf(thread.process)
    if (phase === 'start') messages.posting(model, Number(id), this.#at(time))
    else if (phase === 'end') messages.received(model, Number(id), this.#at(time))
  }

  #span({ event: { name }, thread, time, start, end, outcome, fields }: SpanItem): void {
    if (name === 'gc') {
      this.#threadOf(thread, time).runs.collected(this.#at(start), this.#at(end))
    } else if (name === 'loop:stall') {
      this.#threadOf(thread, time).stalled(Number(end - start))
      this.#stalls.add(Number(end - start), { thread, from: start, to: end })
    } else if (name === 'worker:boot') {
      const worker = this.#threadOf(thread, time)
      worker.isProbed = true
      if (start < worker.from) worker.from = start
      if (outcome !== 'cut') worker.ready ??= end
      // What was collected then is no task's.
      worker.runs.worked(this.#at(start), this.#at(end))
    } else if (name === 'task:run') {
      this.#ran(thread, start, end, outcome, fields)
    } else if (name === 'message:post' || name === 'message:handle') {
      const key = keyOf(fields)
      const model = this.#threadOf(thread, time)
      const { messages } = this.#processOf(thread.process)
      const [from, to] = [this.#at(start), this.#at(end)]
      // A span that was cut off has no fields.
      if (name === 'message:handle') messages.handled(model, key, from, to)
      else if (key !== undefined) messages.posted(model, key, from, to, outcome === 'failed')
    }
  }

  #ran(
    thread: TraceThread,
    start: bigint,
    end: bigint,
    outcome: SpanItem['outcome'],
    fields: SpanItem['fields'],
  ): void {
    const process = this.#processOf(thread.process)
    const worker = this.#threadOf(thread, end)
    const id = idOf(fields.id)
    const task = id === undefined ? undefined : (process.open.get(id) ?? process.closing.get(id))
    if (id === undefined || task === undefined || outcome === 'cut') {
      worker.runs.ranUnknown(this.#at(start), this.#at(end))
      return
    }
    const pool = this.#poolOf(process, task.pool, task.submitter)
    pool.advance(this.#at(end))
    const onCpu = numberOf(fields.onCpu) ?? 0
    const waitingForCpu = numberOf(fields.waitingForCpu) ?? 0
    if (worker.runs.count === 0) {
      worker.beginTasks(this.#at(end), onCpu, waitingForCpu)
      const ready = worker.ready ?? worker.online ?? start
      worker.loadNs = pool.waitedForStart(task, ready < start ? ready : start, start)
    }
    task.started = start
    task.finished = end
    task.read = Math.max(0, numberOf(fields.read) ?? 0)
    if (onCpu + waitingForCpu > 0) task.kernel = { onCpu, waitingForCpu }
    task.worker = thread
    task.share = pool.shareOf(thread)
    task.functions = () => pool.functionsOf(task.name)
    task.submitterWaited = this.#threadOf(task.submitter, end).waitingForCpu
    const waited = pool.backlog.waitedForEach
    pool.ran(task, start, end, waited - (process.waitedAtStart.get(id) ?? waited))
    process.waitedAtStart.delete(id)
    if (task.dispatched !== undefined)
      worker.runs.gotTask(this.#at(task.dispatched), this.#at(start), task.read)
    worker.runs.ran(this.#at(start), this.#at(end), task)
  }

  #task(item: AsyncItem): void {
    const { phase, id, thread, time, fields, outcome = 'ok' } = item
    const process = this.#processOf(thread.process)
    this.#threadOf(thread, time)
    if (phase === 'begin') {
      const name = textOf(fields.pool) ?? ''
      const pool = this.#poolOf(process, name, thread)
      pool.advance(this.#at(time))
      pool.submitted(time)
      if (this.#open >= MOST_OPEN) {
        this.#losses.tasks += 1
        return
      }
      pool.backlog.change(1, 0)
      this.#open += 1
      process.open.set(id, new TaskState(id, name, textOf(fields.name) ?? '', thread, time))
      return
    }
    const task = process.open.get(id)
    if (task === undefined) return
    process.open.delete(id)
    process.waitedAtStart.delete(id)
    this.#open -= 1
    const pool = this.#poolOf(process, task.pool, thread)
    pool.advance(this.#at(time))
    if (task.dispatched === undefined) pool.backlog.change(-1, 0)
    else pool.backlog.change(0, -1)
    task.handled = time
    task.outcome = outcome
    pool.handled(task, time)
    process.closing.set(id, task)
    if (process.closing.size > MOST_CLOSING) {
      const [[oldest, closed]] = process.closing
      process.closing.delete(oldest)
      this.#onTask?.(closed.task())
    }
  }

  #life({ phase, id, thread, time, fields, outcome }: AsyncItem): void {
    const process = this.#processOf(thread.process)
    const worker = this.#threadNumbered(process, Number(id), time)
    if (phase === 'begin') {
      worker.spawned = time
      worker.parent = thread
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

  #processOf(process: TraceProcess): ProcessState {
    let state = this.#processes.get(process)
    if (state === undefined) {
      const threads = new Map<number, ThreadModel>()
      state = {
        process,
        command: undefined,
        parentPid: undefined,
        cpus: undefined,
        ppid: undefined,
        started: [],
        threads,
        messages: new MessageModel(threads),
        pools: new Map(),
        open: new Map(),
        closing: new Map(),
        waitedAtStart: new Map(),
      }
      this.#processes.set(process, state)
    }
    return state
  }

  #threadOf(thread: TraceThread, time: bigint): ThreadModel {
    const { threads } = this.#processOf(thread.process)
    const known = threads.get(thread.threadId)
    if (known !== undefined) {
      // Until now other threads have told of it.
      known.thread = thread
      return known
    }
    const model = new ThreadModel(thread, time)
    threads.set(thread.threadId, model)
    return model
  }

  /** The thread of a number that an event has in a field. */
  #threadNumbered({ process, threads }: ProcessState, number: DecodedValue, time: bigint): ThreadModel {
    const threadId = numberOf(number) ?? -1
    const known = threads.get(threadId)
    if (known !== undefined) return known
    const model = new ThreadModel({ process, threadId, name: '', cpu: -1, generation: 0 }, time)
    threads.set(threadId, model)
    return model
  }

  #poolOf(process: ProcessState, name: string, submitter: TraceThread): PoolModel {
    let pool = process.pools.get(name)
    if (pool === undefined) {
      const thread = this.#threadOf(submitter, this.#base ?? 0n)
      pool = new PoolModel(name, thread, this.#cpus, this.#base ?? 0n, this.#slowest)
      process.pools.set(name, pool)
    }
    return pool
  }

  #at(time: bigint): number {
    return Number(time - (this.#base ?? 0n))
  }

  /** Returns the model of what has been pushed. No more can be pushed then. */
  result(): Model {
    const from = this.#extents.from ?? 0n
    const to = this.#extents.to ?? 0n
    const processes: ProcessUse[] = []
    const threads: ThreadUse[] = []
    const pools: Pool[] = []
    const crews: Crew[] = []
    const routes: Route[] = []
    const recorded = new Set(
      [...this.#processes.values()].flatMap(({ process: { pid }, ppid }) => [pid, ppid]),
    )
    for (const state of this.#processes.values()) {
      const { process, command, parentPid, cpus, started } = state
      processes.push({
        process,
        from: this.#extents.fromOf(process),
        to: this.#extents.toOf(process),
        started: started.map((each) => ({ ...each, isRecorded: recorded.has(each.pid) })),
        ...(command === undefined ? {} : { command }),
        ...(parentPid === undefined ? {} : { parentPid }),
        ...(cpus === undefined ? {} : { cpus }),
      })
      const end = this.#extents.toOf(process)
      for (const { runs } of state.threads.values()) runs.finish()
      const uses = [...state.threads.values()].map((thread) => thread.use(end))
      threads.push(...uses.filter(({ role }) => role !== 'sampler'))
      const own = this.#poolsOf(state, uses, end)
      pools.push(...own)
      const pooled = new Set(own.flatMap(({ workers }) => workers.map((worker) => worker.thread)))
      const talks = crewsOf({ ...state, uses, pooled, base: this.#base ?? 0n })
      crews.push(...talks.crews)
      routes.push(...talks.routes)
    }
    const cpus = Math.max(0, ...processes.map((process) => process.cpus ?? 0))
    const cpuUse = this.#cpus.means(Number(to - from))
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
      stalls: this.#stalls.sorted().sort((a, b) => (a.from < b.from ? -1 : 1)),
      losses: { ...this.#losses },
    }
    return { ...model, findings: findAll(model) }
  }

  #poolsOf(state: ProcessState, uses: readonly ThreadUse[], end: bigint): Pool[] {
    // Idle workers are known to be a pool's by what they share with those that had tasks.
    const users = new Map<string, number>()
    const kindsOf = (pool: PoolModel): Set<string> =>
      new Set(
        [...pool.workers].flatMap((threadId) => {
          const worker = state.threads.get(threadId)
          return worker === undefined ? [] : [worker.kind]
        }),
      )
    for (const pool of state.pools.values()) {
      for (const kind of kindsOf(pool)) users.set(kind, (users.get(kind) ?? 0) + 1)
    }
    for (const task of state.open.values()) {
      const pool = state.pools.get(task.pool)
      pool?.advance(this.#at(end))
      // Its end may be among the lost events: then it was slow for sure until its run ended only.
      pool?.cut(task, this.#losses.events > 0 ? (task.finished ?? end) : end)
    }
    if (this.#onTask !== undefined) {
      for (const task of [...state.closing.values(), ...state.open.values()]) this.#onTask(task.task())
    }
    return [...state.pools.values()].map((pool) => {
      const own = new Set(pool.workers)
      const kinds = [...kindsOf(pool)].filter((kind) => users.get(kind) === 1)
      const isOwn = ({ thread: { threadId } }: ThreadUse): boolean => own.has(threadId)
      const isLike = ({ thread: { threadId }, role }: ThreadUse): boolean => {
        const model = state.threads.get(threadId)
        return role === 'worker' && model !== undefined && kinds.includes(model.kind)
      }
      const like = uses.filter((use) => isOwn(use) || isLike(use))
      // More than the pool has: then there are others of this kind.
      const workers = mostAtOnce(like) <= pool.mostThreads ? like : uses.filter(isOwn)
      for (const { thread } of workers) pool.shareOf(thread)
      return pool.result(workers.length, mostAtOnce(workers))
    })
  }
}

/** How many of threads lived at once at most. */
function mostAtOnce(threads: readonly ThreadUse[]): number {
  const changes = threads.flatMap(({ from, to }) => [
    { time: from, by: 1 },
    { time: to, by: -1 },
  ])
  changes.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.by - b.by))
  let count = 0
  let most = 0
  for (const { by } of changes) {
    count += by
    most = Math.max(most, count)
  }
  return most
}

function byImportance(a: ThreadUse, b: ThreadUse): number {
  if (a.thread.process !== b.thread.process) return a.thread.process.index - b.thread.process.index
  if (a.role !== b.role) return a.role === 'main' ? -1 : 1
  return a.from < b.from ? -1 : a.from > b.from ? 1 : a.thread.threadId - b.thread.threadId
}
