/** One task, so far. */
import type { TraceThread } from '@rchan/ctf/reader'
import type { Task } from './model.js'
import type { HotFunctions } from './hot-functions.js'
import type { Stack } from './stacks.js'
import type { Interrupted } from './task-runs.js'

/** What a worker did for a pool, so far. */
export interface WorkerShare {
  thread: TraceThread
  tasks: number
  runNs: number
  /** Run time of the tasks of which the kernel's figures are known, and these figures. */
  knownNs: number
  onCpu: number
  waitingForCpu: number
  gcOfSpans: number
  gcOfSums: number
}

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
  /** How long the worker read its message, in ns; 0: not known. */
  read = 0
  onCpu = 0
  waitingForCpu = 0
  /** For how long its submitter had waited for a CPU when it finished, in all. */
  submitterWaited = 0
  #gcOfSpans = 0
  #gcOfSums = 0

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
    if (this.share === undefined) return
    if (isSum) this.share.gcOfSums += ns
    else this.share.gcOfSpans += ns
  }

  chargeSample(stack: Stack, ns: number, count: number): void {
    this.functions?.().charge(stack, ns, count)
  }

  task(): Task {
    const { id, pool, name, submitter, worker, queued, outcome, onCpu, waitingForCpu } = this
    const { dispatched, started, finished, replied, handled } = this
    const gc = Math.max(this.#gcOfSpans, this.#gcOfSums)
    const run = started === undefined || finished === undefined ? undefined : Number(finished - started)
    const isKnown = onCpu + waitingForCpu > 0
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
      ...(run === undefined ? {} : { gc }),
      ...(run === undefined || !isKnown
        ? {}
        : {
            onCpu: Math.max(0, onCpu - gc),
            waitingForCpu,
            // The kernel's time on a CPU lags a little, so it may be more than the run.
            blocked: Math.max(0, run - Math.max(onCpu, gc) - waitingForCpu),
          }),
    }
  }
}
