/**
 * How many tasks a pool has queued and running over time: integrals, and means over steps of time.
 * The number of steps is bounded: when it is reached, two become one.
 */
import type { CpuReading, CpuSums } from './cpu-sums.js'
import type { Backlog, QueuePoint } from './model.js'

const MOST_STEPS = 512
const FIRST_STEP_NS = 1_000_000

/** Follows the tasks of one pool. Times are ns, counted from wherever the caller likes. */
export class BacklogModel {
  queued = 0
  running = 0
  /** The integral of the number of queued tasks. */
  waited = 0
  /** The same, divided among the tasks that are running at the time. */
  waitedForEach = 0
  /** Time in which there were tasks. */
  active = 0
  tasksAtOnce = 0
  #longest = 0
  #time: number | undefined
  #from = 0
  #step = FIRST_STEP_NS
  readonly #queuedSteps: number[] = []
  readonly #runningSteps: number[] = []
  #queuedNs = 0
  #runningWhileQueued = 0
  #usedWhileQueued = 0
  #idleWhileQueued = 0
  #used = 0
  #idle = 0

  /**
   * Goes on to a time, up to which the numbers are as they are.
   *
   * @param cpus what CPUs have done until then.
   */
  advance(time: number, { used, idle }: CpuReading): void {
    if (this.#time === undefined) {
      this.#from = time
      this.#time = time
    }
    const passed = time - this.#time
    if (passed > 0) {
      this.waited += passed * this.queued
      this.waitedForEach += (passed * this.queued) / Math.max(1, this.running)
      if (this.queued + this.running > 0) this.active += passed
      if (this.queued > 0) {
        this.#queuedNs += passed
        this.#runningWhileQueued += passed * this.running
      }
      if (this.queued + this.running > 0) this.#fill(this.#time, time)
      this.#time = time
    }
    if (this.queued > 0) {
      this.#usedWhileQueued += used - this.#used
      this.#idleWhileQueued += idle - this.#idle
    }
    this.#used = used
    this.#idle = idle
  }

  /** Changes the numbers, from now on. */
  change(queued: number, running: number): void {
    this.queued = Math.max(0, this.queued + queued)
    this.running = Math.max(0, this.running + running)
    if (this.queued > this.#longest) this.#longest = this.queued
    this.tasksAtOnce = Math.max(this.tasksAtOnce, this.queued + this.running)
  }

  /** Returns the time with queued tasks. */
  backlog(sums: CpuSums): Backlog {
    const ns = this.#queuedNs
    const cpus = sums.meansOf({ used: this.#usedWhileQueued, idle: this.#idleWhileQueued }, ns)
    const mean = (sum: number): number => (ns > 0 ? sum / ns : 0)
    return {
      ns,
      longest: this.#longest,
      queued: mean(this.waited),
      running: mean(this.#runningWhileQueued),
      ...(cpus === undefined ? {} : { cpus }),
    }
  }

  /** Returns the means of each step. `base` is the time that the others are counted from. */
  points(base: bigint): QueuePoint[] {
    return this.#queuedSteps.map((queued, index) => ({
      time: base + BigInt(Math.round(this.#from + index * this.#step)),
      queued: queued / this.#step,
      running: this.#runningSteps[index] / this.#step,
    }))
  }

  #fill(start: number, end: number): void {
    while (end - this.#from > this.#step * MOST_STEPS) this.#coarsen()
    let from = start - this.#from
    const to = end - this.#from
    while (from < to) {
      const index = Math.floor(from / this.#step)
      const until = Math.min(to, (index + 1) * this.#step)
      while (this.#queuedSteps.length <= index) {
        this.#queuedSteps.push(0)
        this.#runningSteps.push(0)
      }
      this.#queuedSteps[index] += (until - from) * this.queued
      this.#runningSteps[index] += (until - from) * this.running
      from = until
    }
  }

  #coarsen(): void {
    for (const steps of [this.#queuedSteps, this.#runningSteps]) {
      const half = Math.ceil(steps.length / 2)
      for (let index = 0; index < half; index += 1) {
        steps[index] = steps[2 * index] + (steps[2 * index + 1] ?? 0)
      }
      steps.length = half
    }
    this.#step *= 2
  }
}
