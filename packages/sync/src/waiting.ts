/**
 * How a thread waits: in slices, until a deadline. Shared by the primitives of this package.
 *
 * No wait is longer than a slice, whatever it waits for. A thread that was woken and then
 * terminated takes the wake-up with it, and so does one that is terminated between a change and its
 * notify; the next slice of each other waiter makes up for it.
 */

/** How to wait. All of it is optional. */
export interface WaitOptions {
  /**
   * The longest slice of waiting, in milliseconds; 10 unless told. After one, a waiter suspects a
   * death.
   */
  readonly graceMs?: number
  /**
   * Called before each slice, for a thread that must serve others while it waits. It should be
   * short. An exception of its ends the wait.
   */
  whileWaiting?(): void
}

/** How to wait for something that a thread holds. */
export interface LockOptions extends WaitOptions {
  /**
   * Whether a thread is dead: proven, for good, and not to run another instruction. It is asked
   * after a slice of waiting, or before giving up. A thread that is wrongly called dead
   * loses what it holds.
   */
  isDead?(threadId: number): boolean
}

/** The longest slice where the caller names none, in milliseconds. */
const GRACE_MS = 10

/**
 * The longest slice of the options.
 *
 * @throws RangeError when it is not above 0 or not finite; `Atomics.wait` would take NaN for ever.
 */
export function graceOf(options: WaitOptions | undefined): number {
  const graceMs = options?.graceMs ?? GRACE_MS
  if (!(graceMs > 0 && graceMs < Infinity)) throw new RangeError(`graceMs=${String(graceMs)} is not above 0`)
  return graceMs
}

const { performance } = globalThis

/**
 * The clocks, taken when this module is loaded: tests replace those of the program later, and then
 * they stand still. Not constants, for the tests of this package, whose threads are models with a
 * time of their own.
 */
export const clocks = {
  /** Milliseconds since 1970. */
  epochMs: Date.now,
  /** Milliseconds on a clock that never goes back; one that stands still where there is none. */
  monotonicMs: typeof performance?.now === 'function' ? performance.now.bind(performance) : () => 0,
}

/**
 * How much longer to wait. A deadline becomes a number of milliseconds when the wait begins, and
 * two things use them up: each slice that was slept through, because `Atomics.wait` has measured
 * it; and the clock, where it moves. So a wait ends also where a test has stopped the clock, and a
 * thread that is woken again and again waits no longer than it may.
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

  /** For so many milliseconds; may be Infinity. Not a number is over at once. */
  static of(milliseconds: number): Patience {
    return new Patience(milliseconds)
  }

  /**
   * Until a time of the system's clock: milliseconds since 1970, as of `Date.now()`, the one clock
   * that all threads share. (`performance.now()` starts anew in each thread.) That clock is asked
   * once: if it is set later, the wait is as long as it was to be. Not a number is over at once.
   */
  static until(timestampMs: number): Patience {
    return new Patience(timestampMs - clocks.epochMs())
  }

  /**
   * How long the next slice is, at most `mostMs`; not above 0, or not a number, when it is over.
   */
  sliceMs(mostMs: number): number {
    const byClock = this.#overAtMs === Infinity ? Infinity : this.#overAtMs - clocks.monotonicMs()
    // Not Math.min: a clock that answers nonsense is not asked.
    let slice = this.#leftMs
    if (byClock < slice) slice = byClock
    return mostMs < slice ? mostMs : slice
  }

  /** `Atomics.wait` for a slice. */
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
