/**
 * A mutex that survives its holder: a thread that dies in the section does not block the others
 * forever.
 *
 * Any thread may call any method. The caller says which threads are dead (`isDead`); this file
 * knows nothing about threads. A mutex must never let in two living threads. It must never say
 * `acquired` when a dead thread may have left the guarded data half done.
 *
 * It is one word of shared memory. Zero is a free mutex, so zeroed memory needs no `init`.
 *
 * ```text
 *   at   type  word      written by
 *    0   i32   state     threads that take it, wait for it, or hold it, by compare-and-exchange
 * ```
 *
 * ```text
 *   bits of `state`
 *    0…29  HOLDER     id of the thread that holds it; 0: free
 *    30    BROKEN     a holder died, and the guarded data was not declared whole since
 *    31    SLEEPERS   a thread may sleep on this word: its next unlock notifies
 * ```
 *
 * ```text
 *              lock (anyone)                            lock: HOLDER found dead (anyone; one wins)
 *   free ─────────────────────▶ held ──────────────────────────────────────────▶ held, BROKEN ◀─┐ the same, of a
 *    ▲                           │ ▲                                              │    │   ▲  └──┘ holder that died
 *    └──── unlock (holder) ──────┘ └─────────────── consistent (holder) ──────────┘    │   │       repairing
 *                                                                     unlock (holder)  ▼   │ lock (anyone)
 *                                                                                 free, BROKEN
 * ```
 *
 * Only `consistent` clears BROKEN; `unlock` alone does not. A repair that threw goes through
 * `finally { unlock }` like a repair that succeeded, and must not count as one. And a caller that
 * ignores the result of `lock` must not hide the damage from others. A holder that dies during a
 * repair leaves BROKEN set.
 *
 * Living threads miss no wake-up. A waiter first puts SLEEPERS into the word, and then sleeps on
 * exactly that value. An unlock first changes the value, and then notifies. `Atomics.wait` compares
 * and queues in one step, so either it finds another value, or it is queued before the notify. An
 * unlock wakes one sleeper and clears SLEEPERS. So the woken thread sets SLEEPERS again for the
 * threads that still sleep, whether it takes the mutex, finds it taken, or gives up. If a dead
 * thread swallowed a wake-up, the next slice makes up for it (see waiting.ts).
 *
 * The cost without contention is one Atomics operation for lock and one for unlock, without a
 * notify. A woken thread causes at most one notify without a sleeper.
 */
import { graceOf, Patience, type LockOptions } from './waiting.js'
import { checkCount, checkWords, sharedWords } from './words.js'

/** The words of a mutex. */
export const MUTEX_WORDS = 1

/** The largest id of a thread; the least is 1. */
export const MAX_THREAD_ID = 2 ** 30 - 1

const STATE = 0
const HOLDER = 0x3fff_ffff
const BROKEN = 0x4000_0000
const SLEEPERS = 0x8000_0000 | 0

/**
 * How a thread came to hold a mutex: `'acquired'`, or `'recovered'` when a holder had died. After
 * `'recovered'` the guarded data may be half done: repair it, then call {@link Mutex.consistent}.
 */
export type Locked = 'acquired' | 'recovered'

/**
 * Mutual exclusion between threads. It is not reentrant, and keeps no order among waiters.
 *
 * The caller chooses an id for each thread, 1 to {@link MAX_THREAD_ID}. A second thread must not
 * get the id of a first one that may still hold the mutex.
 *
 * @example
 * if (Mutex.lock(mutex, threadId, { isDead }) === 'recovered') {
 *   repair(table)
 *   Mutex.consistent(mutex, threadId)
 * }
 * try {
 *   table.add(entry)
 * } finally {
 *   Mutex.unlock(mutex, threadId)
 * }
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- the shape of atomics-sync
export class Mutex {
  /**
   * Makes a free mutex, in the given memory or in new memory. Zeroed memory needs no `init`.
   *
   * @throws RangeError when there are fewer than {@link MUTEX_WORDS} words.
   */
  static init(
    words: Int32Array<SharedArrayBuffer> = sharedWords(MUTEX_WORDS),
  ): Int32Array<SharedArrayBuffer> {
    checkWords('mutex', words, MUTEX_WORDS)
    Atomics.store(words, STATE, 0)
    return words
  }

  /**
   * Takes the mutex. Waits for it as long as it takes; with `isDead` it never waits forever for a
   * dead thread.
   *
   * Any thread. If it throws, the mutex is not held.
   *
   * @throws Error when the thread holds the mutex already; RangeError when an id or `graceMs` is
   * out of range; any error of `isDead` or `whileWaiting`.
   */
  static lock(mutex: Int32Array<SharedArrayBuffer>, threadId: number, options?: LockOptions): Locked {
    return take(mutex, threadId, Infinity, options) as Locked
  }

  /**
   * Takes the mutex, or gives up at the deadline.
   *
   * Any thread. It calls `isDead` before it gives up, so it takes a dead holder's mutex even when
   * the deadline has passed already.
   *
   * @param timestampMs the deadline, in milliseconds since 1970, as of `Date.now()`.
   * @returns how it came to hold it; `false` when it does not.
   * @throws as {@link lock}.
   */
  static timedLock(
    mutex: Int32Array<SharedArrayBuffer>,
    threadId: number,
    timestampMs: number,
    options?: LockOptions,
  ): Locked | false {
    return take(mutex, threadId, timestampMs, options)
  }

  /**
   * Takes the mutex if it is free, or if its holder is dead. Never waits. Any thread.
   *
   * @returns how it came to hold it; `false` when it does not.
   * @throws as {@link lock}.
   */
  static tryLock(
    mutex: Int32Array<SharedArrayBuffer>,
    threadId: number,
    options?: LockOptions,
  ): Locked | false {
    return take(mutex, threadId, -Infinity, options)
  }

  /**
   * Gives back the mutex. A broken mutex stays broken: the next thread to lock it gets
   * `'recovered'` again.
   *
   * The holder only.
   *
   * @throws Error when the thread does not hold it; RangeError for an id out of range.
   */
  static unlock(mutex: Int32Array<SharedArrayBuffer>, threadId: number): void {
    checkCaller(mutex, threadId)
    // This publishes all stores of the section. Pairs with: the compare-and-exchange of `take` and
    // of `waitFor`.
    let seen = Atomics.compareExchange(mutex, STATE, threadId, 0)
    if (seen === threadId) return
    for (;;) {
      if ((seen & HOLDER) !== threadId) throw notHolder(threadId, seen)
      const found = Atomics.compareExchange(mutex, STATE, seen, seen & BROKEN)
      if (found === seen) break
      seen = found
    }
    // Pairs with: Atomics.wait in `waitFor`, on a value with SLEEPERS. The word no longer has that
    // value.
    if ((seen & SLEEPERS) !== 0) Atomics.notify(mutex, STATE, 1)
  }

  /**
   * Declares the guarded data whole again, after a `'recovered'`. Does nothing if the mutex was not
   * broken.
   *
   * The holder only.
   *
   * @throws Error when the thread does not hold it; RangeError for an id out of range.
   */
  static consistent(mutex: Int32Array<SharedArrayBuffer>, threadId: number): void {
    checkCaller(mutex, threadId)
    const seen = Atomics.load(mutex, STATE)
    if ((seen & HOLDER) !== threadId) throw notHolder(threadId, seen)
    // Others may add SLEEPERS meanwhile. While the mutex is held, no other thread changes the rest.
    Atomics.and(mutex, STATE, ~BROKEN)
  }
}

function take(
  mutex: Int32Array<SharedArrayBuffer>,
  threadId: number,
  timestampMs: number,
  options: LockOptions | undefined,
): Locked | false {
  checkCaller(mutex, threadId)
  const graceMs = graceOf(options)
  // Pairs with: the compare-and-exchange of `unlock`.
  const seen = Atomics.compareExchange(mutex, STATE, 0, threadId)
  return seen === 0 ? 'acquired' : waitFor(mutex, threadId, timestampMs, graceMs, options, seen)
}

function waitFor(
  mutex: Int32Array<SharedArrayBuffer>,
  threadId: number,
  timestampMs: number,
  graceMs: number,
  options: LockOptions | undefined,
  first: number,
): Locked | false {
  let seen = first
  const patience = Patience.until(timestampMs)
  /**
   * SLEEPERS once this thread was woken: that wake-up cleared SLEEPERS, though others may still
   * sleep.
   */
  let woken = 0
  /**
   * Whether a whole slice passed without a notify. A living holder that unlocked would have sent
   * one.
   */
  let sliceIsOver = false
  for (;;) {
    const holder = seen & HOLDER
    if (holder === threadId) throw new Error(`threadId=${threadId} holds the mutex already`)
    const leftMs = patience.sliceMs(graceMs)
    // NaN counts as over.
    const over = !(leftMs > 0)
    const takenFromDead = holder !== 0 && (over || sliceIsOver) && options?.isDead?.(holder) === true
    sliceIsOver = false
    let next = seen | SLEEPERS
    if (holder === 0 || takenFromDead)
      next = (seen & ~HOLDER) | (takenFromDead ? BROKEN : 0) | woken | threadId
    else if (over && woken === 0) return false
    if (next !== seen) {
      // Exactly one thread takes the mutex from a dead holder, because a dead id never comes back
      // into the word.
      const found = Atomics.compareExchange(mutex, STATE, seen, next)
      if (found !== seen) {
        seen = found
        continue
      }
      if ((next & HOLDER) === threadId) return (next & BROKEN) === 0 ? 'acquired' : 'recovered'
      seen = next
    }
    if (over) return false
    // Called only now, with SLEEPERS in the word, so that an exception that ends the wait here
    // loses no wake-up.
    options?.whileWaiting?.()
    // Pairs with: Atomics.notify in `unlock`.
    const awakening = patience.wait(mutex, STATE, seen, leftMs)
    if (awakening === 'ok') woken = SLEEPERS
    sliceIsOver = awakening === 'timed-out'
    seen = Atomics.load(mutex, STATE)
  }
}

/** @throws RangeError when the words are too few for a mutex, or the id is out of range. */
export function checkCaller(mutex: Int32Array, threadId: number): void {
  if (mutex.length < MUTEX_WORDS) checkWords('mutex', mutex, MUTEX_WORDS)
  // Only whole numbers of 30 bits pass: `&` changes NaN, fractions and larger numbers.
  if ((threadId & HOLDER) !== threadId || threadId === 0) {
    checkCount('threadId', threadId, 1, MAX_THREAD_ID)
  }
}

function notHolder(threadId: number, seen: number): Error {
  const holder = seen & HOLDER
  return new Error(
    `threadId=${threadId} does not hold the mutex: ${holder === 0 ? 'it is free' : `holder=${holder} does`}`,
  )
}
