/**
 * A condition: threads sleep, without the mutex that guards something, until that something may
 * have changed.
 *
 * Any thread may call any of it. It must never lose a signal that came after the waiter gave the
 * mutex back.
 *
 * One word of shared memory. All zero is a condition that nobody has signalled.
 *
 * ```text
 *   at   type  word      written by
 *    0   i32   signals   any thread that signals, by add; wraps
 * ```
 *
 * A waiter takes its ticket of `signals` while it holds the mutex. A thread that changes the
 * guarded things holds the mutex later than that, and signals later still. So `signals` differs
 * from the ticket: the waiter either finds that, or sleeps on the ticket and is notified. After
 * each slice it looks at `signals` too. When a thread was woken and died, or a signaller died
 * before its notify, another waiter returns instead, a slice later. So one signal can end more than
 * one wait.
 */
import { Mutex, checkCaller, type Locked } from './mutex.js'
import { graceOf, Patience, type LockOptions } from './waiting.js'
import { checkWords, sharedWords } from './words.js'

/** The words of a condition. */
export const CONDITION_WORDS = 1

const SIGNALS = 0

/**
 * Waiting for a change of what a mutex guards. A wait can end without cause: wait in a loop that
 * looks.
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
   * Makes a condition, in the given memory or in new memory. Needed for memory that is not zero
   * only.
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
   * Gives the mutex back, sleeps until a signal, and takes the mutex again.
   *
   * The holder of the mutex only. If `isDead` or `whileWaiting` throws, the mutex is not held.
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
   * The same with a deadline for the sleep. The mutex is taken again in any case, however long that
   * takes.
   *
   * @param timestampMs the deadline, in milliseconds since 1970, as of `Date.now()`.
   * @returns `false` when there was no signal and the mutex was merely acquired; it is held all the
   * same. Else how it was taken again; a `'recovered'` is never kept back.
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
   * Wakes one waiter, if there is one. Any thread, after its change, with the mutex held or not.
   */
  static signal(condition: Int32Array<SharedArrayBuffer>): void {
    ring(condition, 1)
  }

  /** Wakes all waiters. Any thread, after its change, with the mutex held or not. */
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
  // Under the mutex: no change that the caller has not seen can have been signalled before this.
  const ticket = Atomics.load(condition, SIGNALS)
  Mutex.unlock(mutex, threadId)
  // Pairs with: Atomics.add in `ring`.
  while (Atomics.load(condition, SIGNALS) === ticket) {
    const leftMs = patience.sliceMs(graceMs)
    // Not a number: over.
    if (!(leftMs > 0)) {
      const locked = Mutex.lock(mutex, threadId, options)
      return locked === 'recovered' ? locked : false
    }
    options?.whileWaiting?.()
    patience.wait(condition, SIGNALS, ticket, leftMs)
  }
  return Mutex.lock(mutex, threadId, options)
}
