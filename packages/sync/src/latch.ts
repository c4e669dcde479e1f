/**
 * A latch: closed until it is counted down to 0, then open for good.
 *
 * Any thread may call any method. A latch does not know the threads that are to count down. If one
 * of them may die, wait with a deadline, or let a thread that learns of the death count down for
 * it.
 *
 * It is one word of shared memory. Zero is an open latch.
 *
 * ```text
 *   at   type  word        written by
 *    0   i32   remaining   any thread that counts down, by compare-and-exchange; never negative
 * ```
 */
import { graceOf, Patience, type WaitOptions } from './waiting.js'
import { checkCount, checkWords, sharedWords } from './words.js'

/** The words of a latch. */
export const LATCH_WORDS = 1

const REMAINING = 0

/**
 * Waits until a number of things have happened, once.
 *
 * @example
 * const started = Latch.init(3)
 * // each of three threads             // a thread that needs them
 * Latch.countDown(started)             if (!Latch.timedWait(started, Date.now() + 5000)) throw new Error('…')
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- the shape of atomics-sync
export class Latch {
  /**
   * Makes a latch that opens after `count` calls of `countDown`, in the given memory or in new
   * memory.
   *
   * @throws RangeError when `count` is not a whole number from 0 to 2³¹ − 1, or there are too few
   * words.
   */
  static init(
    count: number,
    words: Int32Array<SharedArrayBuffer> = sharedWords(LATCH_WORDS),
  ): Int32Array<SharedArrayBuffer> {
    checkCount('count', count, 0, 2 ** 31 - 1)
    checkWords('latch', words, LATCH_WORDS)
    Atomics.store(words, REMAINING, count)
    return words
  }

  /**
   * Counts down by one. At 0 the latch opens, and all waiters go on. Does nothing on an open latch.
   * Any thread.
   */
  static countDown(latch: Int32Array<SharedArrayBuffer>): void {
    checkWords('latch', latch, LATCH_WORDS)
    let seen = Atomics.load(latch, REMAINING)
    while (seen > 0) {
      // Pairs with: the load of `remaining` in `pass`.
      const found = Atomics.compareExchange(latch, REMAINING, seen, seen - 1)
      if (found === seen) {
        if (seen === 1) Atomics.notify(latch, REMAINING)
        return
      }
      seen = found
    }
  }

  /** Waits until the latch is open, as long as it takes. Any thread. */
  static wait(latch: Int32Array<SharedArrayBuffer>, options?: WaitOptions): void {
    pass(latch, Infinity, options)
  }

  /**
   * Waits until the latch is open or the deadline has passed. Any thread.
   *
   * @param timestampMs the deadline, in milliseconds since 1970, as of `Date.now()`.
   * @returns whether the latch is open.
   */
  static timedWait(
    latch: Int32Array<SharedArrayBuffer>,
    timestampMs: number,
    options?: WaitOptions,
  ): boolean {
    return pass(latch, timestampMs, options)
  }
}

function pass(
  latch: Int32Array<SharedArrayBuffer>,
  timestampMs: number,
  options: WaitOptions | undefined,
): boolean {
  checkWords('latch', latch, LATCH_WORDS)
  const graceMs = graceOf(options)
  const patience = Patience.until(timestampMs)
  for (;;) {
    // Pairs with: the compare-and-exchange of `countDown`.
    const seen = Atomics.load(latch, REMAINING)
    if (seen <= 0) return true
    const leftMs = patience.sliceMs(graceMs)
    // NaN counts as over.
    if (!(leftMs > 0)) return false
    options?.whileWaiting?.()
    // If the value goes down, but not to 0, this wait ends after a slice at the latest, and begins
    // again.
    patience.wait(latch, REMAINING, seen, leftMs)
  }
}
