/**
 * A thread runs through its life and is interrupted before each access. There the test runs whole
 * operations of others on the same thread, or the thread dies.
 *
 * Others are not stepped. They must not wait for the interrupted thread.
 */
import { catchAccesses, watch, watchInPlace, watchMemory, type Access, type Observer } from './accesses.js'

/**
 * The exception that ends a thread. The code under test must not catch it. A test that catches it
 * throws it on.
 */
export class Death extends Error {}

export interface Interruptions {
  /** Called before the access with this number, from 0. Its own accesses are not steps. */
  readonly before?: (step: number) => void
  /** The thread dies before this access, after `before`. A negative number means never. */
  readonly deathAt?: number
  /**
   * Called when the thread waits and the word has not changed: lets this many milliseconds pass.
   */
  readonly pass?: (ms: number) => void
}

/** The result of a life. */
export interface Life {
  /** Number of accesses. */
  readonly steps: number
  readonly died: boolean
}

/** Which plain accesses to a life's memory are steps. Operations of Atomics always are. */
export type PlainSteps = 'none' | 'stores' | 'reads'

/**
 * Watches the plain accesses of an object's arrays, in place. The object must be this thread's own.
 */
export type Own = <M extends object>(memory: M, plain: PlainSteps) => M

/** Runs a life in which each operation of `Atomics` is a step, on any memory. */
export function interrupt(interruptions: Interruptions, life: (own: Own) => void): Life {
  const steps = new Steps(interruptions)
  const own: Own = (memory, plain) => watchInPlace(memory, () => steps.observerOf(plain))
  return steps.run(() => life(own), steps.observer)
}

/** Runs a life with watched memory. Accesses to other memory are not steps. */
export function interruptIn<M extends object>(
  memory: M,
  plain: PlainSteps,
  interruptions: Interruptions,
  life: (memory: M) => void,
): Life {
  const steps = new Steps(interruptions)
  return steps.run(() => life(watchMemory(memory, () => steps.observerOf(plain))))
}

class Steps {
  readonly #interruptions: Interruptions
  #steps = 0
  #isInterrupted = false
  #isDead = false

  constructor(interruptions: Interruptions) {
    this.#interruptions = interruptions
  }

  run(life: () => void, others?: Observer): Life {
    try {
      catchAccesses(life, others)
      return { steps: this.#steps, died: false }
    } catch (error) {
      if (!(error instanceof Death)) throw error
      return { steps: this.#steps, died: true }
    }
  }

  observerOf(plain: PlainSteps): Observer {
    const isStep = (access: Access): boolean =>
      access.isAtomic ||
      (plain === 'stores' && access.isPlainStore) ||
      (plain === 'reads' && access.name === 'read')
    const observer: Observer = (access) => {
      // Nothing is read yet. Its elements are read one by one.
      if (access.name === 'subarray') return watch(access.perform() as Uint8Array, observer)
      return isStep(access) ? this.observer(access) : access.perform()
    }
    return observer
  }

  readonly observer: Observer = (access) => {
    // A thread that was terminated runs no `finally`.
    if (this.#isDead) throw new Death()
    const isInterrupting = this.#isInterrupted
    if (!isInterrupting) this.#interrupt()
    if (access.name !== 'wait') return access.perform()
    // No other thread is there to end a wait, so it is over at once.
    if (!access.isWorthWaiting) return 'not-equal'
    if (isInterrupting || this.#interruptions.pass === undefined) return 'timed-out'
    this.#isInterrupted = true
    try {
      this.#interruptions.pass((access.args[2] as number | undefined) ?? Infinity)
    } finally {
      this.#isInterrupted = false
    }
    return access.isWorthWaiting ? 'timed-out' : 'ok'
  }

  #interrupt(): void {
    const { before, deathAt } = this.#interruptions
    this.#isInterrupted = true
    try {
      before?.(this.#steps)
      if (this.#steps === deathAt) {
        this.#isDead = true
        throw new Death()
      }
      this.#steps += 1
    } finally {
      this.#isInterrupted = false
    }
  }
}
