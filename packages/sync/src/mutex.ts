/**
 * A mutex that survives its holder: a thread that dies in the section does not block the others for
 * ever.
 *
 * Any thread may call any of it. A caller says which threads are dead (`isDead`); this file knows
 * nothing of threads. It must never let two living threads in, and never say `acquired` of what a
 * dead thread may have left half done.
 *
 * One word of shared memory. All zero is a free mutex, so zeroed memory needs no `init`.
 *
 * ```text
 *   at   type  word      written by
 *    0   i32   state     threads that take it, wait for it, or hold it, by compare-and-exchange
 * ```
 *
 * ```text
 *   bits of `state`
 *    0…29  HOLDER     id of the thread that holds it; 0: free
 *    30    BROKEN     a holder died, and nobody has said since that the guarded things are whole
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
 * Only `consistent` takes BROKEN back; `unlock` alone does not. A repair that threw goes through
 * `finally { unlock }` like one that succeeded, and must not pass for it; and a caller that does
 * not look at what `lock` returned hides the damage from nobody else. A holder that dies repairing
 * leaves BROKEN as it was.
 *
 * No wake-up is missed among living threads. A waiter first puts SLEEPERS into the word and then
 * sleeps on exactly that value; an unlock takes the value away and then notifies. `Atomics.wait`
 * compares and queues in one step, so either it finds another value, or it is queued before the
 * notify. An unlock wakes one sleeper and clears SLEEPERS. So the woken thread puts SLEEPERS back
 * for those that still sleep, whether it takes the mutex, finds it taken, or gives up. If a dead
 * thread swallowed a wake-up, the next slice makes up for it (see waiting.ts).
 *
 * Cost when nobody else wants it: one Atomics operation for lock, one for unlock, no notify. A
 * thread that was woken causes at most one notify that finds nobody.
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
 * How a thread came to hold a mutex: `'acquired'`, or `'recovered'` when a holder had died and what
 * the mutex guards may be half done: repair it, then call {@link Mutex.consistent}.
 */
export type Locked = 'acquired' | 'recovered'

/**
 * Mutual exclusion between threads. Not reentrant; no order among waiters.
 *
 * A thread goes by an id of the caller's choice, 1 to {@link MAX_THREAD_ID}. An id must not be
 * given to a second thread while the mutex may still be held by the first.
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
   * Makes a free mutex, in the given memory or in new memory. Needed for memory that is not zero
   * only.
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
   * Takes the mutex; waits for it as long as it takes. With `isDead` it never waits for a dead
   * thread for ever.
   *
   * Any thread. If it throws, the mutex is not held.
   *
   * @throws Error when the thread holds it already; RangeError for an id or a `graceMs` out of
   * range; whatever `isDead` or `whileWaiting` throws.
   */
  static lock(mutex: Int32Array<SharedArrayBuffer>, threadId: number, options?: LockOptions): Locked {
    return take(mutex, threadId, Infinity, options) as Locked
  }

  /**
   * Takes the mutex, unless it can't be had by the deadline.
   *
   * Any thread. Before it gives up it asks `isDead`, so it takes a dead holder's mutex also with a
   * deadline that is over.
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
   * Takes the mutex if it is free, or its holder is dead. Never waits.
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
   * Gives the mutex back. One that is broken stays so: the next to lock it gets `'recovered'`
   * again.
   *
   * The holder only.
   *
   * @throws Error when the thread does not hold it; RangeError for an id out of range.
   */
  static unlock(mutex: Int32Array<SharedArrayBuffer>, threadId: number): void {
    checkCaller(mutex, threadId)
    // Publishes all that was stored in the section. Pairs with: the compare-and-exchange of `take`
    // and of `waitFor`.
    let seen = Atomics.compareExchange(mutex, STATE, threadId, 0)
    if (seen === threadId) return
    for (;;) {
      if ((seen & HOLDER) !== threadId) throw notHolder(threadId, seen)
      const found = Atomics.compareExchange(mutex, STATE, seen, seen & BROKEN)
      if (found === seen) break
      seen = found
    }
    // Pairs with: Atomics.wait in `waitFor`, on a value with SLEEPERS, which is gone now.
    if ((seen & SLEEPERS) !== 0) Atomics.notify(mutex, STATE, 1)
  }

  /**
   * Says that what the mutex guards is whole again, after a `'recovered'`. Does nothing when it was
   * not broken.
   *
   * The holder only.
   *
   * @throws Error when the thread does not hold it; RangeError for an id out of range.
   */
  static consistent(mutex: Int32Array<SharedArrayBuffer>, threadId: number): void {
    checkCaller(mutex, threadId)
    const seen = Atomics.load(mutex, STATE)
    if ((seen & HOLDER) !== threadId) throw notHolder(threadId, seen)
    // Others may add SLEEPERS meanwhile; while it is held, nobody changes the rest.
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
   * SLEEPERS once this thread was woken: SLEEPERS was cleared for it, though others may still
   * sleep.
   */
  let woken = 0
  /**
   * Whether a whole slice went by without a notify. A holder that lives and unlocks would have sent
   * one.
   */
  let sliceIsOver = false
  for (;;) {
    const holder = seen & HOLDER
    if (holder === threadId) throw new Error(`threadId=${threadId} holds the mutex already`)
    const leftMs = patience.sliceMs(graceMs)
    // Not a number: over.
    const over = !(leftMs > 0)
    const takenFromDead = holder !== 0 && (over || sliceIsOver) && options?.isDead?.(holder) === true
    sliceIsOver = false
    let next = seen | SLEEPERS
    if (holder === 0 || takenFromDead)
      next = (seen & ~HOLDER) | (takenFromDead ? BROKEN : 0) | woken | threadId
    else if (over && woken === 0) return false
    if (next !== seen) {
      // From a dead holder exactly one gets it, since a dead id never comes back into the word.
      const found = Atomics.compareExchange(mutex, STATE, seen, next)
      if (found !== seen) {
        seen = found
        continue
      }
      if ((next & HOLDER) === threadId) return (next & BROKEN) === 0 ? 'acquired' : 'recovered'
      seen = next
    }
    if (over) return false
    // Only now, with SLEEPERS in the word: an exception that ends the wait here takes no wake-up
    // with it.
    options?.whileWaiting?.()
    // Pairs with: Atomics.notify in `unlock`.
    const awakening = patience.wait(mutex, STATE, seen, leftMs)
    if (awakening === 'ok') woken = SLEEPERS
    sliceIsOver = awakening === 'timed-out'
    seen = Atomics.load(mutex, STATE)
  }
}

/** @throws RangeError when there is no mutex, or the id is none. */
export function checkCaller(mutex: Int32Array, threadId: number): void {
  if (mutex.length < MUTEX_WORDS) checkWords('mutex', mutex, MUTEX_WORDS)
  // Whole numbers of 30 bits and nothing else: `&` makes NaN, fractions and what is too big
  // something else.
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
