/**
 * Threads that take turns in the middle of their operations.
 *
 * A thread is a function. The harness keeps every value that the thread got from shared memory. To
 * continue after a pause, the harness runs the thread again from its start: it gets the kept values
 * and stores nothing, until it is where it was. From there on its accesses are real. A thread must
 * do the same each time, and keep its results in its `report`.
 */
import { catchAccesses, watchInPlace, watchMemory, type Access, type Observer } from './accesses.js'
import type { GlobalBuffer } from '@rchan/ring'

/** Ends a run of a thread that goes on later. */
export class Pause extends Error {}

/** One run of a thread from its start, with the results of its earlier steps. */
export class Replay {
  /** The results of its accesses. This run adds its own. */
  readonly results: unknown[]
  #cursor = 0
  #stepsLeft: number

  constructor(results: unknown[], steps: number) {
    this.results = results
    this.#stepsLeft = steps
  }

  /** Whether all kept results have been used. */
  get isInEarnest(): boolean {
    return this.#cursor === this.results.length
  }

  /**
   * Runs something that depends on others, or returns its result of the earlier run.
   *
   * @param isStep whether others can act before it. If not, it belongs to the step that follows.
   * @throws Pause if no step is left.
   */
  access<T>(isStep: boolean, perform: () => T): T {
    if (this.isInEarnest) {
      if (this.#stepsLeft === 0) throw new Pause()
      if (isStep) this.#stepsLeft -= 1
      this.results.push(perform())
    }
    this.#cursor += 1
    return this.results[this.#cursor - 1] as T
  }
}

/**
 * A thread that accesses one memory. A step is an operation of Atomics, a store into the data, a
 * read of the data, or a step that the test defines. Plain accesses of words belong to the step
 * that follows.
 */
export class PausedThread<Report, Memory extends object = GlobalBuffer> {
  /** Its results so far. */
  report: Report
  done = false
  dead = false
  /** Number of steps that it has made. */
  steps = 0
  readonly #life: (thread: PausedThread<Report, Memory>, memory: Memory) => void
  readonly #newReport: () => Report
  readonly #memory: Memory
  readonly #stored: () => void
  #replay = new Replay([], 0)
  #isPerforming = false

  /** @param stored called after each store into the data. */
  constructor(
    memory: Memory,
    newReport: () => Report,
    life: (thread: PausedThread<Report, Memory>, memory: Memory) => void,
    stored: () => void = () => {},
  ) {
    this.#life = life
    this.#newReport = newReport
    this.report = newReport()
    this.#stored = stored
    this.#memory = watchMemory(memory, (name) => this.#observer(name))
  }

  /**
   * Watches the arrays of more memory, in place. For objects that the life itself makes: each run
   * has its own.
   */
  own<M extends object>(memory: M): M {
    return watchInPlace(memory, (name) => this.#observer(name))
  }

  /** Makes this many steps. @returns whether the thread can go on after them. */
  advance(steps: number): boolean {
    if (this.done || this.dead) return false
    this.#replay = new Replay(this.#replay.results, steps)
    this.report = this.#newReport()
    try {
      catchAccesses(() => this.#life(this, this.#memory), this.#observer('others'))
      this.done = true
    } catch (error) {
      if (!(error instanceof Pause)) throw error
    }
    return !this.done
  }

  /** Runs something that depends on others, once. */
  access<T>(isStep: boolean, perform: () => T): T {
    return this.#replay.access(isStep, () => {
      if (isStep) this.steps += 1
      this.#isPerforming = true
      try {
        return perform()
      } finally {
        this.#isPerforming = false
      }
    })
  }

  /** Pauses until `ready`. */
  waitUntil(ready: () => boolean): void {
    if (this.#replay.isInEarnest && !ready()) throw new Pause()
    this.access(false, () => 0)
  }

  /** Steps the thread until a condition holds. */
  advanceUntil(ready: () => boolean): void {
    while (!ready()) if (!this.advance(1)) throw new Error('it never came to that')
  }

  #observer(name: string): Observer {
    const isOfData = name === 'data'
    return (access) => {
      // A part of a step of the test's own.
      if (this.#isPerforming) return access.perform()
      return this.access(access.isAtomic || isOfData, () => {
        const result = resultOf(access)
        if (isOfData && access.isPlainStore) this.#stored()
        return result
      })
    }
  }
}

/**
 * Reads all bytes at once: the memory may belong to another thread when this one is run again. A
 * wait is over at once.
 */
function resultOf(access: Access): unknown {
  if (access.name === 'wait') return access.isWorthWaiting ? 'timed-out' : 'not-equal'
  const result = access.perform()
  return access.name === 'subarray' ? (result as Uint8Array).slice() : result
}
