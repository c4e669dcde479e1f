/** What one pool did, so far. */
import type { TraceProcess, TraceThread } from '@rchan/ctf/reader'
import { BacklogModel } from './backlog.js'
import { Coverage } from './coverage.js'
import { LateModel } from './late.js'
import type { CpuSums } from './cpu-sums.js'
import { HotFunctions } from './hot-functions.js'
import { Largest } from './largest.js'
import type { Parts, Pool, PoolSpan, SampledTask } from './model.js'
import { quantilesOf } from './quantiles.js'
import { Sketch } from './sketch.js'
import type { TaskState } from './task-state.js'
import type { ThreadModel } from './thread-model.js'
import { WorkerShare } from './worker-share.js'

/** A result that lay for so long before it was handled was late. */
const LATE_NS = 50_000_000
/** Unless the thread that should have handled it waited for a CPU in so much of this time. */
const STARVED = 0.7

/** A worker whose first task begins so long after it could have begun loads something. */
const LOADING_NS = 10_000_000
/** Late results of which the submitter's own wait for a CPU is not known yet. */
const MOST_UNSETTLED = 4096
/** Names of tasks whose functions are told apart; the rest has the name `…`. */
const MOST_NAMES = 64
const OTHERS = '…'

/** What the trace says of a pool when it has found it. */
export interface PoolSettings {
  readonly kind: string
  readonly minThreads?: number | undefined
  readonly maxThreads?: number | undefined
  readonly tasksPerThread: number
}

/** Sums at a time. */
interface Reading {
  readonly used: number
  readonly idle: number
  readonly ran: number
  readonly waited: number
}

/** A result that lay. */
interface LateReply {
  readonly finished: number
  readonly handled: number
  /** How long the submitter had waited for a CPU when the task finished, in all. */
  readonly waitedBefore: number
}

/** Follows one pool. Times that are numbers are ns since `base`. */
export class PoolModel {
  readonly process: TraceProcess
  readonly backlog = new BacklogModel()
  settings: PoolSettings
  /** How many threads it says it has, at most. */
  mostThreads = 0
  readonly #name: string
  readonly #submitter: ThreadModel
  readonly #cpus: CpuSums
  readonly #base: bigint
  readonly #workers = new Map<number, WorkerShare>()
  readonly #wait = new Sketch()
  readonly #wake = new Sketch()
  readonly #run = new Sketch()
  readonly #reply = new Sketch()
  readonly #unseen = new Sketch()
  readonly #serialize = new Sketch()
  readonly #sizes = new Sketch()
  readonly #slowest: Largest<TaskState>
  readonly #waitBehind: number[] = []
  readonly #functions = new Map<string, HotFunctions>()
  readonly #late = new LateModel()
  readonly #starts = new Coverage()
  readonly #unsettled: LateReply[] = []
  #tasks = 0
  #failed = 0
  #abandoned = 0
  #cut = 0
  #startWaits = 0
  #from: bigint | undefined
  #to = 0n
  #lastQueued = 0n
  #first: Reading | undefined
  #last: Reading | undefined

  constructor(name: string, submitter: ThreadModel, cpus: CpuSums, base: bigint, slowest: number) {
    this.#name = name
    this.#submitter = submitter
    this.#cpus = cpus
    this.process = submitter.thread.process
    this.#base = base
    this.#slowest = new Largest(slowest)
    this.settings = { kind: name.replace(/[-#].*$/, ''), tasksPerThread: 1 }
  }

  /** The ids of the threads that were given tasks. */
  get workers(): IterableIterator<number> {
    return this.#workers.keys()
  }

  /** Time goes on to then. */
  advance(time: number): void {
    this.backlog.advance(time, this.#cpus)
  }

  /** The thread that uses the pool: its account was told anew. */
  accounted(submitter: ThreadModel): void {
    if (submitter === this.#submitter) this.#settle()
  }

  submitted(time: bigint): void {
    this.#from ??= time
    this.#first ??= this.#reading()
    this.#tasks += 1
    this.#lastQueued = time
    this.#to = time
  }

  dispatched(task: TaskState, worker: TraceThread, time: bigint): void {
    // It may never tell of a run. A worker that isn't known has the number of the main thread.
    if (worker.threadId !== 0) this.shareOf(worker)
    this.#wait.add(Number(time - task.queued))
    this.#sizes.add(task.size)
    this.#to = time
  }

  /**
   * A worker's first task began. The worker was ready before: its event loop turned. What it runs
   * it may have loaded then, with the task in its hands.
   *
   * @returns how long that took.
   */
  waitedForStart({ queued, dispatched = queued }: TaskState, ready: bigint, start: bigint): number {
    const from = dispatched > ready ? dispatched : ready
    const loading = Number(start - from)
    const isLate = loading >= LOADING_NS
    if (queued < ready) this.#starts.add(this.#at(queued), this.#at(ready))
    if (isLate) this.#starts.add(this.#at(from), this.#at(start))
    if (queued < ready || isLate) this.#startWaits += 1
    return isLate ? loading : 0
  }

  /** A task has run. `waited`: its part of the time that others were queued meanwhile. */
  ran(task: TaskState, start: bigint, end: bigint, waited: number): void {
    const duration = Number(end - start)
    this.#run.add(duration)
    if (task.dispatched !== undefined) this.#wake.add(Math.max(0, Number(start - task.dispatched)))
    const magnitude = Math.floor(Math.log2(Math.max(1, duration)))
    while (this.#waitBehind.length <= magnitude) this.#waitBehind.push(0)
    this.#waitBehind[magnitude] += waited
    task.share?.ran(duration, task.kernel)
  }

  serialized(ns: number): void {
    this.#serialize.add(ns)
  }

  handled(task: TaskState, time: bigint): void {
    this.#to = time
    this.#last = this.#reading()
    const { dispatched, finished } = task
    if (task.outcome === 'failed') {
      this.#failed += 1
      if (dispatched !== undefined && finished === undefined) this.#abandon(task)
    }
    if (dispatched !== undefined) this.#slowest.add(Number(time - dispatched), task)
    if (finished === undefined) {
      if (dispatched !== undefined && task.outcome === 'ok') this.#unseen.add(Number(time - dispatched))
      return
    }
    const lay = Math.max(0, Number(time - finished))
    this.#reply.add(lay)
    if (lay < LATE_NS) return
    // The submitter's account is told later.
    this.#unsettled.push({
      finished: this.#at(finished),
      handled: this.#at(time),
      waitedBefore: task.submitterWaited,
    })
    if (this.#unsettled.length > MOST_UNSETTLED) this.#settle()
  }

  #abandon({ worker }: TaskState): void {
    this.#abandoned += 1
    const share = worker === undefined ? undefined : this.#workers.get(worker.threadId)
    if (share !== undefined) share.abandoned += 1
  }

  /** Leaves out results that lay because their submitter had no CPU. */
  #settle(): void {
    for (const { finished, handled, waitedBefore } of this.#unsettled.splice(0)) {
      const lay = handled - finished
      if (this.#submitter.waitingForCpu - waitedBefore >= STARVED * lay) continue
      this.#late.add(finished, handled, lay)
    }
  }

  #reading(): Reading {
    const { used, idle } = this.#cpus
    const { onCpu, waitingForCpu } = this.#submitter
    return { used, idle, ran: onCpu, waited: waitingForCpu }
  }

  #span(): PoolSpan {
    const ns = Math.max(0, Number(this.#to - (this.#from ?? this.#to)))
    const [first, last] = [this.#first, this.#last]
    if (first === undefined || last === undefined) return { ns, submitterOnCpuNs: 0, submitterWaitingNs: 0 }
    const cpus = this.#cpus.meansOf({ used: last.used - first.used, idle: last.idle - first.idle }, ns)
    return {
      ns,
      ...(cpus === undefined ? {} : { cpus }),
      submitterOnCpuNs: last.ran - first.ran,
      submitterWaitingNs: last.waited - first.waited,
    }
  }

  /** A task has no end. */
  cut(task: TaskState, time: bigint): void {
    this.#cut += 1
    if (time > this.#to) this.#to = time
    if (task.dispatched !== undefined) this.#slowest.add(Number(time - task.dispatched), task)
  }

  shareOf(thread: TraceThread): WorkerShare {
    let share = this.#workers.get(thread.threadId)
    if (share === undefined) this.#workers.set(thread.threadId, (share = new WorkerShare(thread)))
    share.thread = thread
    return share
  }

  /** The functions of the tasks of a name. */
  functionsOf(task: string): HotFunctions {
    const name = this.#functions.has(task) || this.#functions.size < MOST_NAMES ? task : OTHERS
    let functions = this.#functions.get(name)
    if (functions === undefined) this.#functions.set(name, (functions = new HotFunctions()))
    return functions
  }

  result(threads: number, threadsAtOnce: number): Pool {
    this.#settle()
    const { backlog, settings } = this
    const activeNs = backlog.active
    const { kind, minThreads, maxThreads, tasksPerThread } = settings
    return {
      // Its tasks did not tell which one it is.
      name: this.#name === '' ? 'pool' : this.#name,
      kind,
      process: this.process,
      submitter: this.#submitter.thread,
      from: this.#from ?? this.#base,
      to: this.#to,
      lastQueued: this.#lastQueued,
      tasks: this.#tasks,
      failed: this.#failed,
      abandoned: this.#abandoned,
      cut: this.#cut,
      perSecond: activeNs > 0 ? this.#tasks / (activeNs / 1e9) : 0,
      activeNs,
      span: this.#span(),
      wait: quantilesOf(this.#wait),
      wake: quantilesOf(this.#wake),
      run: quantilesOf(this.#run),
      reply: quantilesOf(this.#reply),
      unseen: quantilesOf(this.#unseen),
      serialize: quantilesOf(this.#serialize),
      size: this.#sizes.count === 0 ? 0 : this.#sizes.quantile(0.5),
      parts: this.#parts(),
      gcNs: [...this.#workers.values()].reduce((sum, { gcNs }) => sum + gcNs, 0),
      gcOnCpuNs: [...this.#workers.values()].reduce((sum, { gcOnCpu }) => sum + gcOnCpu, 0),
      threads,
      // One that ends and one that takes its place may be there together.
      threadsAtOnce:
        maxThreads === undefined
          ? threadsAtOnce
          : Math.min(threadsAtOnce, Math.max(maxThreads, this.mostThreads)),
      ...(minThreads === undefined ? {} : { minThreads }),
      ...(maxThreads === undefined ? {} : { maxThreads }),
      tasksPerThread,
      workers: [...this.#workers.values()].map(({ worker }) => worker),
      backlog: backlog.backlog(this.#cpus),
      tasksAtOnce: backlog.tasksAtOnce,
      waitBehind: this.#waitBehind,
      lateReplies: this.#late.result(this.#base),
      startWaits: { tasks: this.#startWaits, ns: this.#starts.length },
      queue: backlog.points(this.#base),
      slowest: this.#slowest.sorted().map((task) => task.task()),
      ...(this.#functions.size === 0 ? {} : { sampled: this.#sampled() }),
    }
  }

  #sampled(): SampledTask[] {
    return [...this.#functions]
      .map(([task, functions]) => ({ task, ...functions.result() }))
      .toSorted((a, b) => b.ns - a.ns)
  }

  #parts(): Parts {
    const sum = { onCpu: 0, waitingForCpu: 0, gc: 0, blocked: 0, unknown: 0, estimated: 0, error: 0 }
    for (const { parts } of this.#workers.values()) {
      for (const key of Object.keys(sum) as (keyof Parts)[]) sum[key] += parts[key]
    }
    return sum
  }

  #at(time: bigint): number {
    return Number(time - this.#base)
  }
}
