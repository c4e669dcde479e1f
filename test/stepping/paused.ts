/**
 * Threads that take turns in the middle of what they do.
 *
 * A thread is a function. What it was given by shared memory is kept, and when it goes on after a
 * pause it is run again from its start: it is given what it was given then, stores nothing, and so
 * comes to where it was, and goes on in earnest. It must do the same each time, and keep what it
 * does in its `report`.
 */
import { catchAccesses, watchMemory, type Access } from './accesses.js'
import type { GlobalBuffer } from '@rchan/ring'

/** Ends a run of a thread that goes on later. */
export class Pause extends Error {}

/** One run of a thread from its start, with what its earlier steps gave. */
export class Replay {
  /** What its accesses gave; those of this run are added. */
  readonly results: unknown[]
  #cursor = 0
  #stepsLeft: number

  constructor(results: unknown[], steps: number) {
    this.results = results
    this.#stepsLeft = steps
  }

  /** Whether all that was kept has been given. */
  get isInEarnest(): boolean {
    return this.#cursor === this.results.length
  }

  /**
   * Something that depends on others: does it, or gives what it gave before.
   *
   * @param isStep whether others can act before it; what is none belongs to the step that follows.
   * @throws Pause when no step is left.
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
 * A thread that looks at one memory. A step is an operation of Atomics, a store into the data, a
 * read of it, or what the test says is one; plain accesses of words belong to the step that
 * follows.
 */
export class PausedThread<Report, Memory extends object = GlobalBuffer> {
  /** What it has done so far. */
  report: Report
  done = false
  dead = false
  /** How many it has made. */
  steps = 0
  readonly #life: (thread: PausedThread<Report, Memory>, memory: Memory) => void
  readonly #newReport: () => Report
  readonly #memory: Memory
  #replay = new Replay([], 0)

  /** @param stored is called after each store into the data. */
  constructor(
    memory: Memory,
    newReport: () => Report,
    life: (thread: PausedThread<Report, Memory>, memory: Memory) => void,
    stored: () => void = () => {},
  ) {
    this.#life = life
    this.#newReport = newReport
    this.report = newReport()
    this.#memory = watchMemory(memory, (name) => (access) => {
      const isOfData = name === 'data'
      return this.access(access.isAtomic || isOfData, () => {
        const result = resultOf(access)
        if (isOfData && access.isPlainStore) stored()
        return result
      })
    })
  }

  /** Goes on for this many steps. @returns whether it can go on after them. */
  advance(steps: number): boolean {
    if (this.done || this.dead) return false
    this.#replay = new Replay(this.#replay.results, steps)
    this.report = this.#newReport()
    try {
      catchAccesses(() => this.#life(this, this.#memory))
      this.done = true
    } catch (error) {
      if (!(error instanceof Pause)) throw error
    }
    return !this.done
  }

  /** Something that depends on others, which this thread does once. */
  access<T>(isStep: boolean, perform: () => T): T {
    return this.#replay.access(isStep, () => {
      if (isStep) this.steps += 1
      return perform()
    })
  }

  /** Pauses until `ready`. */
  waitUntil(ready: () => boolean): void {
    if (this.#replay.isInEarnest && !ready()) throw new Pause()
    this.access(false, () => 0)
  }

  /** Steps it until something is so. */
  advanceUntil(ready: () => boolean): void {
    while (!ready()) if (!this.advance(1)) throw new Error('it never came to that')
  }
}

/** Bytes are read all at once: the memory may be another's when the thread is run again. */
function resultOf(access: Access): unknown {
  const result = access.perform()
  return access.name === 'subarray' ? (result as Uint8Array).slice() : result
}
