/**
 * What CPUs did so far: sums that only grow, of which others take differences. A process may tell
 * how much of CPUs it used in all; otherwise that is the sum of its threads.
 */
import type { CpusUsed } from './model.js'

/** Sums at a time, in ns. */
export interface CpuReading {
  readonly used: number
  readonly idle: number
}

/** Follows all processes of a recording. */
export class CpuSums implements CpuReading {
  /** Time that all processes used. */
  used = 0
  /** Idle time of all CPUs of the machine. */
  idle = 0
  /** Whether the recording has the first, and the second. */
  isKnown = false
  #knowsIdle = false
  #lastIdle: number | undefined
  #from: number | undefined
  #to = 0
  readonly #processes = new Map<unknown, number>()

  /** A thread was on a CPU. What its process says of itself counts more. */
  threadRan(process: unknown, ns: number): void {
    this.isKnown = true
    if (!this.#processes.has(process)) this.used += ns
  }

  /**
   * A process tells at a time what it used since its start, and how long the machine's CPUs were
   * idle.
   */
  told(time: number, process: unknown, used: number, machineIdle: number): void {
    this.#from ??= time
    this.#to = time
    const before = this.#processes.get(process)
    this.#processes.set(process, used)
    if (before !== undefined) {
      this.isKnown = true
      this.used += Math.max(0, used - before)
    }
    // Several processes tell of one machine.
    if (this.#lastIdle !== undefined) {
      this.idle += Math.max(0, machineIdle - this.#lastIdle)
      this.#knowsIdle = true
    }
    this.#lastIdle = Math.max(this.#lastIdle ?? 0, machineIdle)
  }

  /** Returns means over the time that processes told of. If none has, that is `ns`. */
  means(ns: number): CpusUsed | undefined {
    const told = this.#from === undefined ? 0 : this.#to - this.#from
    return this.meansOf(this, told > 0 ? told : ns)
  }

  /** Returns means over `ns` in which the sums grew by `grown`; undefined if nothing is known. */
  meansOf({ used, idle }: CpuReading, ns: number): CpusUsed | undefined {
    if (!this.isKnown) return undefined
    const mean = (sum: number): number => (ns > 0 ? sum / ns : 0)
    return { used: mean(used), ...(this.#knowsIdle ? { idle: mean(idle) } : {}) }
  }
}
