/**
 * A semaphore: a number of permits that threads take and post.
 *
 * Any thread may call any method. A permit has no holder. If a thread dies with a permit, the
 * permit is lost, unless another thread posts it for the dead one. If that matters, use a mutex.
 *
 * It is one word of shared memory. Zero is a semaphore without permits.
 *
 * ```text
 *   at   type  word      written by
 *    0   i32   permits   any thread that takes or posts, by compare-and-exchange; never negative
 * ```
 *
 * A waiter sleeps only on 0, and each post changes the word before it notifies. So no living waiter
 * misses a post.
 */
import { graceOf, Patience, type WaitOptions } from './waiting.js'
import { checkCount, checkWords, sharedWords } from './words.js'

/** The words of a semaphore. */
export const SEMAPHORE_WORDS = 1

const PERMITS = 0
const MAX_PERMITS = 2 ** 31 - 1

/**
 * A count of permits.
 *
 * @example
 * const slots = Semaphore.init(4)
 * if (Semaphore.timedWait(slots, Date.now() + 100)) {
 *   work()
 *   Semaphore.post(slots)
 * }
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- the shape of atomics-sync
export class Semaphore {
  /**
   * Makes a semaphore with `value` permits, in the given memory or in new memory.
   *
   * @throws RangeError when `value` is not a whole number from 0 to 2³¹ − 1, or there are too few
   * words.
   */
  static init(
    value: number,
    words: Int32Array<SharedArrayBuffer> = sharedWords(SEMAPHORE_WORDS),
  ): Int32Array<SharedArrayBuffer> {
    checkCount('value', value, 0, MAX_PERMITS)
    checkWords('semaphore', words, SEMAPHORE_WORDS)
    Atomics.store(words, PERMITS, value)
    return words
  }

  /** Takes a permit. Waits for one as long as it takes. Any thread. */
  static wait(semaphore: Int32Array<SharedArrayBuffer>, options?: WaitOptions): void {
    takePermit(semaphore, Infinity, options)
  }

  /**
   * Takes a permit, or gives up at the deadline. Any thread.
   *
   * @param timestampMs the deadline, in milliseconds since 1970, as of `Date.now()`.
   * @returns whether it has one.
   */
  static timedWait(
    semaphore: Int32Array<SharedArrayBuffer>,
    timestampMs: number,
    options?: WaitOptions,
  ): boolean {
    return takePermit(semaphore, timestampMs, options)
  }

  /** Takes a permit if there is one. Any thread. @returns whether it has one. */
  static tryWait(semaphore: Int32Array<SharedArrayBuffer>): boolean {
    return takePermit(semaphore, -Infinity, undefined)
  }

  /**
   * Adds a permit, and wakes one waiter. Any thread may call it, even one that took no permit.
   *
   * @throws RangeError when there are 2³¹ − 1 permits already.
   */
  static post(semaphore: Int32Array<SharedArrayBuffer>): void {
    checkWords('semaphore', semaphore, SEMAPHORE_WORDS)
    let seen = Atomics.load(semaphore, PERMITS)
    for (;;) {
      if (seen === MAX_PERMITS) throw new RangeError(`permits=${seen} are the most that a semaphore has`)
      // Pairs with: the compare-and-exchange and Atomics.wait of `takePermit`.
      const found = Atomics.compareExchange(semaphore, PERMITS, seen, seen + 1)
      if (found === seen) break
      seen = found
    }
    Atomics.notify(semaphore, PERMITS, 1)
  }
}

function takePermit(
  semaphore: Int32Array<SharedArrayBuffer>,
  timestampMs: number,
  options: WaitOptions | undefined,
): boolean {
  checkWords('semaphore', semaphore, SEMAPHORE_WORDS)
  const graceMs = graceOf(options)
  const patience = Patience.until(timestampMs)
  let seen = Atomics.load(semaphore, PERMITS)
  for (;;) {
    if (seen > 0) {
      // Pairs with: the compare-and-exchange of `post`.
      const found = Atomics.compareExchange(semaphore, PERMITS, seen, seen - 1)
      if (found === seen) return true
      seen = found
      continue
    }
    const leftMs = patience.sliceMs(graceMs)
    // NaN counts as over.
    if (!(leftMs > 0)) return false
    options?.whileWaiting?.()
    patience.wait(semaphore, PERMITS, 0, leftMs)
    seen = Atomics.load(semaphore, PERMITS)
  }
}
