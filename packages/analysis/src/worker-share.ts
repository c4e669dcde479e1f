/** What a worker did for a pool: its tasks, their run time, and what that is made of. */
import type { TraceThread } from '@rchan/ctf/reader'
import type { Parts, PoolWorker } from './model.js'
import type { AccountPart } from './task-windows.js'
import { timeParts, type KernelTime } from './time-parts.js'

/** A worker's part in the work of a pool, so far. */
export class WorkerShare {
  thread: TraceThread
  /** Tasks of which it never told an end. */
  abandoned = 0
  #tasks = 0
  #runNs = 0
  /** Run time of the tasks of which the kernel's figures are known, and these figures. */
  readonly #read = { ns: 0, onCpu: 0, waitingForCpu: 0 }
  /** Run time of which the thread's account tells, and what it tells. */
  readonly #accounted = { ns: 0, onCpu: 0, waitingForCpu: 0, error: 0 }
  #gcOfSpans = 0
  #gcOfSums = 0

  constructor(thread: TraceThread) {
    this.thread = thread
  }

  /** A task has run. `read` is what it has read itself. */
  ran(ns: number, read: KernelTime | undefined): void {
    this.#tasks += 1
    this.#runNs += ns
    if (read !== undefined) this.#addRead(ns, read)
  }

  /**
   * The thread's account tells of a part of a task that has run. That counts more than what the
   * task has read there, which lacks the last moments before its end.
   */
  account({ ns, onCpu, waitingForCpu, error }: AccountPart, read: KernelTime | undefined): void {
    const accounted = this.#accounted
    accounted.ns += ns
    accounted.onCpu += onCpu
    accounted.waitingForCpu += waitingForCpu
    accounted.error += error
    if (read !== undefined) this.#addRead(-ns, { onCpu: -read.onCpu, waitingForCpu: -read.waitingForCpu })
  }

  chargeGc(ns: number, isSum: boolean): void {
    if (isSum) this.#gcOfSums += ns
    else this.#gcOfSpans += ns
  }

  get worker(): PoolWorker {
    return { thread: this.thread, tasks: this.#tasks, runNs: this.#runNs, abandoned: this.abandoned }
  }

  get parts(): Parts {
    const { ns, ...kernel } = this.#known
    const gcOfKnown = this.#runNs === 0 ? 0 : (this.gcNs * ns) / this.#runNs
    const { gc, ...parts } = timeParts(ns, kernel, gcOfKnown)
    const gcOfUnknown = this.gcNs - gcOfKnown
    return {
      ...parts,
      gc: gc + gcOfUnknown,
      unknown: Math.max(0, this.#runNs - ns - gcOfUnknown),
      estimated: this.#accounted.ns,
      error: Math.min(this.#accounted.error, this.#accounted.ns),
    }
  }

  /** Of its collections: no more can have been on a CPU. */
  get gcOnCpu(): number {
    const { ns, onCpu } = this.#known
    return ns === 0 ? this.gcNs : Math.min(this.gcNs, (onCpu * this.#runNs) / ns)
  }

  /** Its collections, with what they waited. */
  get gcNs(): number {
    // Sums and spans tell of the same collections; each may miss some.
    return Math.min(this.#runNs, Math.max(this.#gcOfSpans, this.#gcOfSums))
  }

  get #known(): KernelTime & { readonly ns: number } {
    const [read, accounted] = [this.#read, this.#accounted]
    const sum = (one: number, other: number): number => Math.max(0, one + other)
    return {
      ns: Math.min(this.#runNs, sum(read.ns, accounted.ns)),
      onCpu: sum(read.onCpu, accounted.onCpu),
      waitingForCpu: sum(read.waitingForCpu, accounted.waitingForCpu),
    }
  }

  #addRead(ns: number, { onCpu, waitingForCpu }: KernelTime): void {
    this.#read.ns += ns
    this.#read.onCpu += onCpu
    this.#read.waitingForCpu += waitingForCpu
  }
}
