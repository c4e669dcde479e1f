/** One task, so far. */
import type { TraceThread } from '@rchan/ctf/reader'
import type { Task } from './model.js'
import type { HotFunctions } from './hot-functions.js'
import type { Stack } from './stacks.js'
import type { Interrupted } from './task-runs.js'
import type { AccountPart } from './task-windows.js'
import { timeParts, type KernelTime } from './time-parts.js'
import type { WorkerShare } from './worker-share.js'

/** So much of a task's run has an account of its own: then that of its thread tells what it had. */
const LONG = 0.75

/** A task that has been submitted. */
export class TaskState implements Interrupted {
  readonly id: bigint
  readonly pool: string
  readonly name: string
  readonly submitter: TraceThread
  readonly queued: bigint
  worker: TraceThread | undefined
  share: WorkerShare | undefined
  /** Makes the functions of tasks with its name. */
  functions: (() => HotFunctions) | undefined
  dispatched: bigint | undefined
  started: bigint | undefined
  finished: bigint | undefined
  replied: bigint | undefined
  handled: bigint | undefined
  outcome: Task['outcome'] = 'cut'
  /** Bytes; 0: not known. */
  size = 0
  /** As a short text, if the recording has them. */
  arguments: string | undefined
  /** How long the worker read its message, in ns; 0: not known. */
  read = 0
  /** What it has read of its thread's account itself. */
  kernel: KernelTime | undefined
  /** For how long its submitter had waited for a CPU when it finished, in all. */
  submitterWaited = 0
  #gcOfSpans = 0
  #gcOfSums = 0
  /** What the account of its thread tells of it. */
  readonly #accounted = { ns: 0, alone: 0, onCpu: 0, waitingForCpu: 0 }

  constructor(id: bigint, pool: string, name: string, submitter: TraceThread, queued: bigint) {
    this.id = id
    this.pool = pool
    this.name = name
    this.submitter = submitter
    this.queued = queued
  }

  chargeGc(ns: number, isSum: boolean): void {
    if (isSum) this.#gcOfSums += ns
    else this.#gcOfSpans += ns
    this.share?.chargeGc(ns, isSum)
  }

  chargeSample(stack: Stack, ns: number, count: number): void {
    this.functions?.().charge(stack, ns, count)
  }

  account(part: AccountPart): void {
    const run = this.#run ?? 0
    const accounted = this.#accounted
    accounted.ns += part.ns
    if (part.isAlone) accounted.alone += part.ns
    accounted.onCpu += part.onCpu
    accounted.waitingForCpu += part.waitingForCpu
    this.share?.account(part, this.kernel === undefined ? undefined : scaled(this.kernel, part.ns / run))
  }

  get #run(): number | undefined {
    const { started, finished } = this
    return started === undefined || finished === undefined ? undefined : Number(finished - started)
  }

  /** What the kernel tells of its run. */
  #kernelTime(run: number): (KernelTime & { readonly isEstimated: boolean }) | undefined {
    if (this.kernel !== undefined) return { ...this.kernel, isEstimated: false }
    const { ns, alone } = this.#accounted
    if (alone < LONG * run) return undefined
    return { ...scaled(this.#accounted, run / ns), isEstimated: true }
  }

  task(): Task {
    const { id, pool, name, submitter, worker, queued, outcome } = this
    const { dispatched, started, finished, replied, handled } = this
    const run = this.#run
    return {
      id,
      pool,
      name,
      submitter,
      ...(worker === undefined ? {} : { worker }),
      queued,
      ...(dispatched === undefined ? {} : { dispatched }),
      ...(started === undefined || this.read === 0 ? {} : { woken: started - BigInt(this.read) }),
      ...(started === undefined ? {} : { started }),
      ...(finished === undefined ? {} : { finished }),
      ...(replied === undefined ? {} : { replied }),
      ...(handled === undefined ? {} : { handled }),
      outcome,
      ...(this.size === 0 ? {} : { size: this.size }),
      ...(this.arguments === undefined ? {} : { arguments: this.arguments }),
      ...(run === undefined ? {} : this.#parts(run)),
    }
  }

  #parts(run: number): Partial<Task> {
    const gc = Math.max(this.#gcOfSpans, this.#gcOfSums)
    const kernel = run === 0 ? undefined : this.#kernelTime(run)
    if (kernel === undefined) return { gc }
    return { ...timeParts(run, kernel, gc), ...(kernel.isEstimated ? { isEstimated: true } : {}) }
  }
}

function scaled({ onCpu, waitingForCpu }: KernelTime, by: number): KernelTime {
  return { onCpu: onCpu * by, waitingForCpu: waitingForCpu * by }
}
