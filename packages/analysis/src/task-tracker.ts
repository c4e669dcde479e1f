/**
 * The tasks of a process on their way: submitted, given to a worker, run, replied, handled. Keeps
 * those that are open. What is told late finds those that have just ended.
 */
import type { AsyncItem, DecodedValue, ItemFields, SpanItem, TraceThread } from '@rchan/ctf/reader'
import { idOf, numberOf, textOf } from './field-values.js'
import type { Task } from './model.js'
import type { PoolModel } from './pool-model.js'
import { TaskState } from './task-state.js'
import type { ThreadModel } from './thread-model.js'
import type { TimeBase } from './time-base.js'

/** Tasks that can be open at once in all processes. More are counted, and not followed. */
const MOST_OPEN = 262_144
/** Tasks whose last records may come after their end, of each process. */
const MOST_CLOSING = 256
/** Characters of the text of a task's arguments. */
const LONGEST_ARGUMENTS = 160

/** Where the tasks of all processes go. */
export class TaskSink {
  /** Tasks that are not followed. */
  lost = 0
  /** Tasks that have not ended. */
  open = 0
  readonly #onTask: ((task: Task) => void) | undefined

  constructor(onTask: ((task: Task) => void) | undefined) {
    this.#onTask = onTask
  }

  /** Nothing more will be told of a task. */
  add(task: TaskState): void {
    this.#onTask?.(task.task())
  }
}

/** The process whose tasks they are. */
export interface TaskProcess {
  readonly pools: ReadonlyMap<string, PoolModel>
  poolOf(name: string, submitter: TraceThread): PoolModel
  threadOf(thread: TraceThread, time: bigint): ThreadModel
  threadNumbered(number: DecodedValue, time: bigint): ThreadModel
}

/** Follows the tasks of one process. */
export class TaskTracker {
  readonly #process: TaskProcess
  readonly #times: TimeBase
  readonly #sink: TaskSink
  readonly #open = new Map<bigint, TaskState>()
  /** Tasks that have ended. The worker may tell the end of its reply later. */
  readonly #closing = new Map<bigint, TaskState>()
  /** What {@link PoolModel.backlog} had for `waitedForEach` when a task was dispatched. */
  readonly #waitedAtStart = new Map<bigint, number>()

  constructor(process: TaskProcess, times: TimeBase, sink: TaskSink) {
    this.#process = process
    this.#times = times
    this.#sink = sink
  }

  /** A task was submitted. */
  begin({ id, thread, time, fields }: AsyncItem): void {
    const name = textOf(fields.pool) ?? ''
    const pool = this.#poolAt(name, thread, time)
    pool.submitted(time)
    if (this.#sink.open >= MOST_OPEN) {
      this.#sink.lost += 1
      return
    }
    pool.backlog.change(1, 0)
    this.#sink.open += 1
    this.#open.set(id, new TaskState(id, name, textOf(fields.name) ?? '', thread, time))
  }

  /** A worker was given it. */
  dispatched(time: bigint, fields: ItemFields): void {
    const id = idOf(fields.id)
    const task = id === undefined ? undefined : this.#open.get(id)
    if (id === undefined || task === undefined || task.dispatched !== undefined) return
    const { thread } = this.#process.threadNumbered(fields.threadId, time)
    const pool = this.#poolAt(task.pool, task.submitter, time)
    pool.backlog.change(-1, 1)
    task.dispatched = time
    task.size = numberOf(fields.size) ?? 0
    task.worker = thread
    this.#waitedAtStart.set(id, pool.backlog.waitedForEach)
    pool.dispatched(task, thread, time)
  }

  /** What it was given. */
  given(fields: ItemFields): void {
    const task = this.#find(fields.id)
    if (task !== undefined) task.arguments = textOf(fields.text)?.slice(0, LONGEST_ARGUMENTS)
  }

  /** It has run. */
  ran({ thread, start, end, outcome, fields }: SpanItem): void {
    const times = this.#times
    const worker = this.#process.threadOf(thread, end)
    const id = idOf(fields.id)
    const task = this.#find(fields.id)
    if (id === undefined || task === undefined || outcome === 'cut') {
      worker.runs.ranUnknown(times.at(start), times.at(end))
      return
    }
    const pool = this.#poolAt(task.pool, task.submitter, end)
    const onCpu = numberOf(fields.onCpu) ?? 0
    const waitingForCpu = numberOf(fields.waitingForCpu) ?? 0
    if (worker.runs.count === 0) {
      worker.beginTasks(times.at(end), onCpu, waitingForCpu)
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
    task.submitterWaited = this.#process.threadOf(task.submitter, end).waitingForCpu
    const waited = pool.backlog.waitedForEach
    pool.ran(task, start, end, waited - (this.#waitedAtStart.get(id) ?? waited))
    this.#waitedAtStart.delete(id)
    if (task.dispatched !== undefined)
      worker.runs.gotTask(times.at(task.dispatched), times.at(start), task.read)
    worker.runs.ran(times.at(start), times.at(end), task)
  }

  /** Its worker has posted the reply. */
  replied(thread: TraceThread, time: bigint, fields: ItemFields): void {
    const task = this.#find(fields.id)
    if (task === undefined) return
    task.replied = time
    const took = numberOf(fields.serializeNs) ?? 0
    const at = this.#times.at(time)
    this.#process.threadOf(thread, time).runs.replied(at - took, at)
    this.#process.pools.get(task.pool)?.serialized(took)
  }

  /** Its reply was handled. */
  end({ id, thread, time, outcome = 'ok' }: AsyncItem): void {
    const task = this.#open.get(id)
    if (task === undefined) return
    this.#open.delete(id)
    this.#waitedAtStart.delete(id)
    this.#sink.open -= 1
    const pool = this.#poolAt(task.pool, thread, time)
    if (task.dispatched === undefined) pool.backlog.change(-1, 0)
    else pool.backlog.change(0, -1)
    task.handled = time
    task.outcome = outcome
    pool.handled(task, time)
    this.#closing.set(id, task)
    if (this.#closing.size <= MOST_CLOSING) return
    const [[oldest, closed]] = this.#closing
    this.#closing.delete(oldest)
    this.#sink.add(closed)
  }

  /**
   * Nothing more comes. The tasks that are open have no end.
   *
   * @param end of the process.
   * @param hasLosses whether ends may be lost.
   */
  finish(end: bigint, hasLosses: boolean): void {
    for (const task of this.#open.values()) {
      const pool = this.#process.pools.get(task.pool)
      pool?.advance(this.#times.at(end))
      // Where its end may be lost, it was slow for sure only until its run ended.
      pool?.cut(task, hasLosses ? (task.finished ?? end) : end)
    }
    for (const task of this.#closing.values()) this.#sink.add(task)
    for (const task of this.#open.values()) this.#sink.add(task)
  }

  #find(number: DecodedValue): TaskState | undefined {
    const id = idOf(number)
    return id === undefined ? undefined : (this.#open.get(id) ?? this.#closing.get(id))
  }

  /** A pool whose time has gone on to then. */
  #poolAt(name: string, submitter: TraceThread, time: bigint): PoolModel {
    const pool = this.#process.poolOf(name, submitter)
    pool.advance(this.#times.at(time))
    return pool
  }
}
