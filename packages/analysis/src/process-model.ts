/** What one process did, so far: who started it, its threads, its pools and their tasks. */
import type { DecodedValue, ItemFields, TraceProcess, TraceThread } from '@rchan/ctf/reader'
import type { CpuSums } from './cpu-sums.js'
import type { Extents } from './extent.js'
import { numberOf, textOf } from './field-values.js'
import { MessageModel } from './message-model.js'
import type { ProcessUse, StartedProcess } from './model.js'
import { PoolModel } from './pool-model.js'
import { TaskTracker, type TaskProcess, type TaskSink } from './task-tracker.js'
import { ThreadModel } from './thread-model.js'
import { NO_CPU } from './thread-text.js'
import type { TimeBase } from './time-base.js'

/** Children that are kept of each process. */
const MOST_STARTED = 1000
const NODE = /(^|[/\\])node(js)?(\.exe)?$/i

/** What all processes of a recording have in common. */
export interface Recorded {
  readonly times: TimeBase
  readonly cpus: CpuSums
  /** How many of the slowest tasks each pool keeps. */
  readonly slowest: number
  readonly tasks: TaskSink
}

/** Follows one process. */
export class ProcessModel implements TaskProcess {
  readonly process: TraceProcess
  readonly threads = new Map<number, ThreadModel>()
  readonly messages = new MessageModel(this.threads)
  readonly pools = new Map<string, PoolModel>()
  readonly tasks: TaskTracker
  readonly #recorded: Recorded
  /** Of the processes that it has started, those that run Node. */
  readonly #started: Omit<StartedProcess, 'isRecorded'>[] = []
  #command: string | undefined
  #parentPid: number | undefined
  /** Its parent, as the system has it. */
  #ppid: number | undefined
  #cpus: number | undefined

  constructor(process: TraceProcess, recorded: Recorded) {
    this.process = process
    this.#recorded = recorded
    this.tasks = new TaskTracker(this, recorded.times, recorded.tasks)
  }

  /** It tells what it is. */
  told(fields: ItemFields): void {
    this.#command = textOf(fields.command)
    this.#ppid = numberOf(fields.ppid)
    this.#parentPid = numberOf(fields.parent) || this.#ppid
    this.#cpus = numberOf(fields.cpus)
  }

  /** It tells of a process that it has started. */
  startedChild(fields: ItemFields): void {
    const file = textOf(fields.file) ?? ''
    if (!NODE.test(file) || this.#started.length >= MOST_STARTED) return
    this.#started.push({ pid: numberOf(fields.pid) ?? 0, command: textOf(fields.command) ?? file })
  }

  /** The kernel's account of one of its threads. */
  account(time: bigint, { threadId, onCpu, waitingForCpu }: ItemFields): void {
    const at = this.#recorded.times.at(time)
    const thread = this.threadNumbered(threadId, time)
    const ran = thread.account(at, numberOf(onCpu) ?? 0, numberOf(waitingForCpu) ?? 0)
    this.#recorded.cpus.threadRan(this, ran)
    this.messages.accounted(thread)
    for (const pool of this.pools.values()) {
      pool.advance(at)
      pool.accounted(thread)
    }
  }

  /** The account of all of its threads, and of the machine. */
  accountOfAll(time: bigint, { used, machineIdle }: ItemFields): void {
    const { times, cpus } = this.#recorded
    cpus.told(times.at(time), this, numberOf(used) ?? 0, numberOf(machineIdle) ?? 0)
    for (const pool of this.pools.values()) pool.advance(times.at(time))
  }

  /** The thread that a record is of. */
  threadOf(thread: TraceThread, time: bigint): ThreadModel {
    const known = this.threads.get(thread.threadId)
    if (known !== undefined) {
      // Until now other threads have told of it.
      known.thread = thread
      return known
    }
    return this.#addThread(thread, time)
  }

  /** The thread of a number that an event has in a field. */
  threadNumbered(number: DecodedValue, time: bigint): ThreadModel {
    const threadId = numberOf(number) ?? -1
    const { process } = this
    return (
      this.threads.get(threadId) ??
      this.#addThread({ process, threadId, name: '', cpu: NO_CPU, generation: 0 }, time)
    )
  }

  poolOf(name: string, submitter: TraceThread): PoolModel {
    let pool = this.pools.get(name)
    if (pool === undefined) {
      const { times, cpus, slowest } = this.#recorded
      pool = new PoolModel(name, this.threadOf(submitter, times.base), cpus, times.base, slowest)
      this.pools.set(name, pool)
    }
    return pool
  }

  /** Its number, and its parent's. */
  get pids(): readonly (number | undefined)[] {
    return [this.process.pid, this.#ppid]
  }

  /** @param recorded the numbers of the processes of the recording, and of their parents. */
  use(extents: Extents, recorded: ReadonlySet<number | undefined>): ProcessUse {
    const { process } = this
    return {
      process,
      from: extents.fromOf(process),
      to: extents.toOf(process),
      started: this.#started.map((each) => ({ ...each, isRecorded: recorded.has(each.pid) })),
      ...(this.#command === undefined ? {} : { command: this.#command }),
      ...(this.#parentPid === undefined ? {} : { parentPid: this.#parentPid }),
      ...(this.#cpus === undefined ? {} : { cpus: this.#cpus }),
    }
  }

  #addThread(thread: TraceThread, time: bigint): ThreadModel {
    const model = new ThreadModel(thread, time)
    this.threads.set(thread.threadId, model)
    return model
  }
}
