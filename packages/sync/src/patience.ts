/**
 * How a thread waits: in slices, until a deadline. Shared by the primitives of this package.
 *
 * No wait is longer than a slice, whatever it waits for. A thread that was woken and then terminated takes the
 * wake-up with it, and so does one that is terminated between a change and its notify; the next slice of each other
 * waiter makes up for it. A slice is also how long it may take until a set of the system's clock is noticed.
 */

/** How to wait. All of it is optional. */
export interface WaitOptions {
  /** The longest slice of waiting, in milliseconds; 10 unless told. After one, a waiter suspects a death. */
  readonly graceMs?: number
  /**
   * Called before each slice, for a thread that must serve others while it waits. It should be short. An exception
   * of its ends the wait.
   */
  whileWaiting?(): void
}

/** How to wait for something that a thread holds. */
export interface LockOptions extends WaitOptions {
  /**
   * Whether a thread is dead: proven, for good, and not to run another instruction. It is asked after a slice of
   * waiting, or before giving up. A thread that is wrongly called dead is robbed of what it holds.
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

/**
 * How long the next slice is, in milliseconds; not above 0 when the deadline is over.
 *
 * @param timestampMs the deadline, in milliseconds since 1970, as of `Date.now()`: the one clock that all threads
 * share. (`performance.now()` starts anew in each thread.) Not a number is over.
 */
export function sliceMs(graceMs: number, timestampMs: number): number {
  return Math.min(graceMs, timestampMs - Date.now())
}

/** Zeroed words of shared memory. */
export function sharedWords(count: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT))
}

/** @throws RangeError when memory that the caller gave is too short. */
export function checkWords(what: string, words: Int32Array, needed: number): void {
  if (words.length < needed) throw new RangeError(`${what} words.length=${words.length}, needs ${needed}`)
}

/** @throws RangeError when a count is not a whole number in its range. */
export function checkCount(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name}=${String(value)} is not a whole number from ${least} to ${most}`)
  }
}
