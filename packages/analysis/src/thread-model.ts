/** What one thread did, so far. */
import type { TraceThread } from '@rchan/ctf/reader'
import { HotFunctions } from './hot-functions.js'
import type { ThreadUse } from './model.js'
import type { Stack } from './stacks.js'
import { Talk } from './talk.js'
import { TaskRuns } from './task-runs.js'
import { isSilent, nameOfFile } from './thread-text.js'
import { timeParts } from './time-parts.js'

/** How rchan's sampler thread is called. */
export const SAMPLER = 'rchan sampler'
/** What it runs: it may have had no time to say its name. */
const SAMPLER_FILE = /[/\\]rchan[/\\]dist[/\\](.*[/\\])?sampler\.js$/

/** Follows one thread. */
export class ThreadModel {
  /** Of its records; before there is one, of the events that name it. */
  thread: TraceThread
  readonly runs: TaskRuns
  readonly talk = new Talk()
  readonly stalls = { count: 0, ns: 0, longest: 0 }
  /** Since when the thread may have been there; it is later than the first record that names it. */
  from: bigint
  parent: TraceThread | undefined
  file: string | undefined
  spawned: bigint | undefined
  online: bigint | undefined
  ready: bigint | undefined
  exit: bigint | undefined
  exitCode: number | undefined
  error: string | undefined
  /** The code with which it ended itself, if that is not 0. */
  ownExitCode: number | undefined
  heap: { used: number; usedTwice: number; limit: number } | undefined
  /** Of its old objects, in bytes, if whoever started it has set one. */
  heapLimit = 0
  lost = 0
  /** How long it loaded what it runs, with its first task in its hands. */
  loadNs = 0
  /** Whether the probes are in it: it has said so itself. */
  isProbed = false
  /** Until its first task. That it has begun is known when that task has ended. */
  #onCpuBefore = 0
  #waitingBefore = 0
  #firstTask: { readonly end: number; readonly onCpu: number; readonly waitingForCpu: number } | undefined
  /** Whether it was there before the recording. */
  readonly #isOlder: boolean
  #samples = 0
  #onCpu = 0
  #waitingForCpu = 0
  #lastOnCpu = 0
  #lastWaitingForCpu = 0
  #accountedAt = 0
  #usedLast = 0
  #utilized = 0
  #utilizations = 0
  #functions: HotFunctions | undefined

  constructor(thread: TraceThread, from: bigint) {
    this.thread = thread
    this.from = from
    this.#isOlder = thread.threadId === 0
    this.runs = new TaskRuns()
  }

  /** What it is called; if it has not said so, after its file. */
  get name(): string {
    return this.thread.name === '' ? nameOfFile(this.file ?? '') : this.thread.name
  }

  /** Whoever started it tells its file, which it may not tell itself. */
  startedWith(file: string): void {
    if (file === '') return
    this.file ??= file
    const { thread, name } = this
    // No record of its own has come.
    if (isSilent(thread) && thread.name === '') this.thread = { ...thread, name }
  }

  /**
   * Workers of one kind do the same: they have their parent, their name and their file in common.
   */
  get kind(): string {
    return `${this.parent?.threadId} ${this.name} ${this.file ?? ''}`
  }

  get isSampler(): boolean {
    return this.name === SAMPLER || (this.thread.name === '' && SAMPLER_FILE.test(this.file ?? ''))
  }

  /** Time on a CPU. */
  get onCpu(): number {
    return this.#onCpu
  }

  get waitingForCpu(): number {
    return this.#waitingForCpu
  }

  get hasAccount(): boolean {
    return this.#samples > 0
  }

  /**
   * Notes the kernel's account at a time: sums since the thread's start.
   *
   * @returns the time on a CPU since the last time.
   */
  account(time: number, onCpu: number, waitingForCpu: number): number {
    this.runs.account(time, onCpu, waitingForCpu)
    const isFirst = this.#samples === 0
    this.#samples += 1
    const [ranBefore, waitedBefore] = [this.#lastOnCpu, this.#lastWaitingForCpu]
    this.#lastOnCpu = onCpu
    this.#lastWaitingForCpu = waitingForCpu
    // What a main thread did before the recording doesn't count.
    if (isFirst && this.#isOlder) return 0
    const ran = Math.max(0, onCpu - ranBefore)
    const waited = Math.max(0, waitingForCpu - waitedBefore)
    this.#onCpu += ran
    this.#waitingForCpu += waited
    if (this.#firstTask !== undefined) {
      // The first task ended between the last time and now.
      const passed = Math.max(1, time - this.#accountedAt)
      const part = Math.max(0, Math.min(1, (this.#firstTask.end - this.#accountedAt) / passed))
      this.#onCpuBefore = Math.max(0, this.#onCpuBefore + part * ran - this.#firstTask.onCpu)
      this.#waitingBefore = Math.max(0, this.#waitingBefore + part * waited - this.#firstTask.waitingForCpu)
      this.#firstTask = undefined
    }
    this.#accountedAt = time
    return ran
  }

  /** Its first task has ended, and had this part of its time on CPUs. */
  beginTasks(end: number, onCpu: number, waitingForCpu: number): void {
    this.#onCpuBefore = this.#onCpu
    this.#waitingBefore = this.#waitingForCpu
    this.#firstTask = { end, onCpu, waitingForCpu }
  }

  utilization(part: number): void {
    this.#utilized += part
    this.#utilizations += 1
  }

  stalled(ns: number): void {
    this.stalls.count += 1
    this.stalls.ns += ns
    this.stalls.longest = Math.max(this.stalls.longest, ns)
  }

  memory(used: number, limit: number): void {
    this.isProbed = true
    this.heap ??= { used: 0, usedTwice: 0, limit }
    const { heap } = this
    heap.usedTwice = Math.max(heap.usedTwice, Math.min(used, this.#usedLast))
    heap.used = Math.max(heap.used, used)
    // V8 may raise it before it gives up.
    heap.limit = Math.min(heap.limit, limit)
    this.#usedLast = used
  }

  /** Notes a sample of its stack; times as in {@link runs}. */
  sampled(start: number, end: number, stack: Stack, count: number): void {
    this.#functions ??= new HotFunctions()
    this.#functions.charge(stack, end - start, count)
    this.runs.sampled(start, end, stack, count)
  }

  #limitOf(limit: number): number {
    return this.heapLimit > 0 ? Math.min(limit, this.heapLimit) : limit
  }

  use(endOfProcess: bigint): ThreadUse {
    const { thread, runs, parent, file, spawned, online, ready, exit, error, heap, stalls } = this
    // One that is terminated tells no code.
    const { ownExitCode, exitCode = ownExitCode } = this
    const from = spawned !== undefined && spawned < this.from ? spawned : this.from
    const to = exit ?? endOfProcess
    const life = Math.max(1, Number(to - from))
    const taskNs = runs.coverage.length
    const hasAccount = this.hasAccount
    const utilized = this.#utilizations === 0 ? 0 : (this.#utilized / this.#utilizations) * life
    const worked = hasAccount ? this.#onCpu : Math.max(taskNs, utilized)
    const had = timeParts(life, { onCpu: worked, waitingForCpu: this.#waitingForCpu }, runs.gc)
    return {
      thread,
      role: this.isSampler ? 'sampler' : thread.threadId === 0 ? 'main' : 'worker',
      ...(file === undefined ? {} : { runs: file }),
      isProbed: this.isProbed,
      shares: {
        busy: had.onCpu / life,
        waitingForCpu: had.waitingForCpu / life,
        gc: had.gc / life,
        idle: had.blocked / life,
      },
      basis: hasAccount ? 'kernel' : 'spans',
      ...(parent === undefined ? {} : { parent }),
      ...(spawned === undefined ? {} : { spawned }),
      ...(online === undefined ? {} : { online }),
      ...(ready === undefined ? {} : { ready }),
      ...(exit === undefined ? {} : { exit }),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(error === undefined ? {} : { error }),
      ...(ownExitCode === undefined ? {} : { endedItself: true }),
      from,
      to,
      tasks: runs.count,
      loadNs: this.loadNs,
      taskNs,
      onCpuNs: this.#onCpu,
      waitingForCpuNs: this.#waitingForCpu,
      beforeTasks:
        runs.count === 0
          ? { onCpuNs: this.#onCpu, waitingForCpuNs: this.#waitingForCpu }
          : { onCpuNs: this.#onCpuBefore, waitingForCpuNs: this.#waitingBefore },
      gcNs: runs.gc,
      ...(heap === undefined ? {} : { heap: { ...heap, limit: this.#limitOf(heap.limit) } }),
      stalls,
      lost: this.lost,
      ...(this.#functions === undefined ? {} : { sampled: this.#functions.result() }),
    }
  }
}
