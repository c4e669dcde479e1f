/**
 * Waits in slices, until a deadline. All primitives of this package use it.
 *
 * No single wait is longer than a slice. A thread that is terminated right after it was woken takes
 * the wake-up with it. So does a thread that is terminated between a change and its notify. The
 * next slice of each other waiter makes up for it.
 */
import { clocks } from './clocks.js'

/** Options of a wait. */
export interface WaitOptions {
  /**
   * The longest slice of waiting, in milliseconds. After a whole slice, a waiter suspects a death.
   * Default: 10.
   */
  readonly graceMs?: number
  /**
   * Called before each slice, for a thread that must serve others while it waits. It should be
   * short. If it throws, the wait ends.
   */
  whileWaiting?(): void
}

/** Options of a wait for something that a thread holds. */
export interface LockOptions extends WaitOptions {
  /**
   * Whether a thread is proven dead, so that it never runs another instruction. Called after a
   * slice of waiting, and before giving up. A living thread that is wrongly called dead loses the
   * things that it holds.
   */
  isDead?(threadId: number): boolean
}

/** The default of the longest slice, in milliseconds. */
const GRACE_MS = 10

/**
 * The longest slice of the options.
 *
 * @throws RangeError when it is not above 0 or not finite. `Atomics.wait` would take NaN as
 * forever.
 */
export function graceOf(options: WaitOptions | undefined): number {
  const graceMs = options?.graceMs ?? GRACE_MS
  if (!(graceMs > 0 && graceMs < Infinity)) throw new RangeError(`graceMs=${String(graceMs)} is not above 0`)
  return graceMs
}

/**
 * The rest of a wait. A deadline becomes a number of milliseconds when the wait begins. Two things
 * use them up: each slice that was slept through, because `Atomics.wait` has measured it, and the
 * clock, if it moves. So a wait also ends when a test has stopped the clock. And a thread that is
 * woken again and again does not wait longer than its deadline.
 *
 * @example
 * const patience = Patience.until(timestampMs)
 * for (let ms; (ms = patience.sliceMs(10)) > 0; ) patience.wait(words, index, seen, ms)
 */
export class Patience {
  #leftMs: number
  readonly #overAtMs: number

  private constructor(milliseconds: number) {
    this.#leftMs = milliseconds
    this.#overAtMs =
      milliseconds > 0 && milliseconds < Infinity ? clocks.monotonicMs() + milliseconds : Infinity
  }

  /** Waits for a number of milliseconds, which may be Infinity. NaN is over at once. */
  static of(milliseconds: number): Patience {
    return new Patience(milliseconds)
  }

  /**
   * Waits until a time of the system's clock, in milliseconds since 1970, as of `Date.now()`. All
   * threads share that clock. (`performance.now()` starts anew in each thread.) The clock is read
   * once, so setting it later does not change the length of the wait. NaN is over at once.
   */
  static until(timestampMs: number): Patience {
    return new Patience(timestampMs - clocks.epochMs())
  }

  /**
   * The length of the next slice, at most `mostMs`. It is not above 0, or NaN, when the wait is
   * over.
   */
  sliceMs(mostMs: number): number {
    const byClock = this.#overAtMs === Infinity ? Infinity : this.#overAtMs - clocks.monotonicMs()
    // No Math.min: a clock that returns NaN is ignored.
    let slice = this.#leftMs
    if (byClock < slice) slice = byClock
    return mostMs < slice ? mostMs : slice
  }

  /** Waits for a slice by `Atomics.wait`. */
  wait(
    words: Int32Array<SharedArrayBuffer>,
    index: number,
    seen: number,
    sliceMs: number,
  ): ReturnType<typeof Atomics.wait> {
    const result = Atomics.wait(words, index, seen, sliceMs)
    if (result === 'timed-out') this.#leftMs -= sliceMs
    return result
  }
}
