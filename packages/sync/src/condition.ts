/**
 * A condition: threads release a mutex and sleep until the guarded data may have changed.
 *
 * Any thread may call any method. A condition must never lose a signal that came after the waiter
 * gave back the mutex.
 *
 * It is one word of shared memory. Zero is a condition that no thread has signalled.
 *
 * ```text
 *   at   type  word      written by
 *    0   i32   signals   any thread that signals, by add; wraps
 * ```
 *
 * A waiter reads `signals` as its ticket while it holds the mutex. A thread that changes the
 * guarded data holds the mutex after that, and signals later still. So `signals` then differs from
 * the ticket. The waiter either finds the difference, or sleeps on the ticket and is notified. It
 * also looks at `signals` after each slice. If a woken thread dies, or a signaller dies before its
 * notify, another waiter returns instead, a slice later. So one signal can end more than one wait.
 */
import { Mutex, checkCaller, type Locked } from './mutex.js'
import { graceOf, Patience, type LockOptions } from './waiting.js'
import { checkWords, sharedWords } from './words.js'

/** The words of a condition. */
export const CONDITION_WORDS = 1

const SIGNALS = 0

/**
 * Waits for a change of the data that a mutex guards. A wait can end without a cause, so wait in a
 * loop that checks the data.
 *
 * @example
 * // consumer                                              // producer
 * Mutex.lock(mutex, me)                                    Mutex.lock(mutex, me)
 * while (queue.empty()) Condition.wait(some, mutex, me)    queue.add(item)
 * const item = queue.take()                                Mutex.unlock(mutex, me)
 * Mutex.unlock(mutex, me)                                  Condition.signal(some)
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- the shape of atomics-sync
export class Condition {
  /**
   * Makes a condition, in the given memory or in new memory. Zeroed memory needs no `init`.
   *
   * @throws RangeError when there are fewer than {@link CONDITION_WORDS} words.
   */
  static init(
    words: Int32Array<SharedArrayBuffer> = sharedWords(CONDITION_WORDS),
  ): Int32Array<SharedArrayBuffer> {
    checkWords('condition', words, CONDITION_WORDS)
    Atomics.store(words, SIGNALS, 0)
    return words
  }

  /**
   * Gives back the mutex, sleeps until a signal, and takes the mutex again.
   *
   * Only the holder of the mutex may call it. If `isDead` or `whileWaiting` throws, the mutex is
   * not held.
   *
   * @returns how the mutex was taken again, as {@link Mutex.lock} says.
   * @throws as {@link Mutex.unlock} and {@link Mutex.lock}.
   */
  static wait(
    condition: Int32Array<SharedArrayBuffer>,
    mutex: Int32Array<SharedArrayBuffer>,
    threadId: number,
    options?: LockOptions,
  ): Locked {
    return sleepOn(condition, mutex, threadId, Infinity, options) as Locked
  }

  /**
   * Like {@link wait}, with a deadline for the sleep. It takes the mutex again in any case, however
   * long that takes.
   *
   * @param timestampMs the deadline, in milliseconds since 1970, as of `Date.now()`.
   * @returns `false` when there was no signal and the mutex was acquired normally; it is held all
   * the same. Else how the mutex was taken again. `'recovered'` is always reported.
   * @throws as {@link wait}.
   */
  static timedWait(
    condition: Int32Array<SharedArrayBuffer>,
    mutex: Int32Array<SharedArrayBuffer>,
    threadId: number,
    timestampMs: number,
    options?: LockOptions,
  ): Locked | false {
    return sleepOn(condition, mutex, threadId, timestampMs, options)
  }

  /**
   * Wakes one waiter, if there is one. Any thread may call it after its change, with or without the
   * mutex.
   */
  static signal(condition: Int32Array<SharedArrayBuffer>): void {
    ring(condition, 1)
  }

  /** Wakes all waiters. Any thread may call it after its change, with or without the mutex. */
  static broadcast(condition: Int32Array<SharedArrayBuffer>): void {
    ring(condition, Infinity)
  }
}

function ring(condition: Int32Array<SharedArrayBuffer>, waiters: number): void {
  checkWords('condition', condition, CONDITION_WORDS)
  // Pairs with: the loads of `signals` and Atomics.wait in `sleepOn`.
  Atomics.add(condition, SIGNALS, 1)
  Atomics.notify(condition, SIGNALS, waiters)
}

function sleepOn(
  condition: Int32Array<SharedArrayBuffer>,
  mutex: Int32Array<SharedArrayBuffer>,
  threadId: number,
  timestampMs: number,
  options: LockOptions | undefined,
): Locked | false {
  checkWords('condition', condition, CONDITION_WORDS)
  checkCaller(mutex, threadId)
  const graceMs = graceOf(options)
  const patience = Patience.until(timestampMs)
  // Read under the mutex: the signal of any change that the caller has not seen comes after this
  // load.
  const ticket = Atomics.load(condition, SIGNALS)
  Mutex.unlock(mutex, threadId)
  // Pairs with: Atomics.add in `ring`.
  while (Atomics.load(condition, SIGNALS) === ticket) {
    const leftMs = patience.sliceMs(graceMs)
    // NaN counts as over.
    if (!(leftMs > 0)) {
      const locked = Mutex.lock(mutex, threadId, options)
      return locked === 'recovered' ? locked : false
    }
    options?.whileWaiting?.()
    patience.wait(condition, SIGNALS, ticket, leftMs)
  }
  return Mutex.lock(mutex, threadId, options)
}
