/**
 * A barrier: threads wait for each other, again and again, until all have arrived.
 *
 * Any thread may call any method. A barrier needs every one of its threads. So when one dies, the
 * waits of the others end with `'dead'`, or their deadlines pass. Then their arrivals are taken
 * back, and a thread that takes the dead one's place finds the barrier as it was. A barrier must
 * never open with fewer arrivals than its count.
 *
 * ```text
 *   at   type  word      written by
 *    0   i32   mutex     see mutex.ts; guards the rest
 *    4   i32   turn      the last to arrive; how often the barrier has opened; wraps
 *    8   i32   count     creator: threads that it takes
 *   12   …     slots     8 bytes for each of them:
 *   +0   i32   threadId  the thread that arrives; 0: none yet
 *   +4   i32   arrived   it, or a thread that finds it dead: the turn of its last arrival
 * ```
 *
 * A thread has arrived when its `arrived` equals `turn`. So the single store of `turn + 1` opens
 * the barrier and takes back all arrivals. A thread that dies in the section leaves nothing half
 * done. Its arrival is a straight line of plain stores, which is never torn. If it arrived last and
 * died before it opened the barrier, the next thread in the section opens it. Therefore a
 * `'recovered'` mutex needs no repair here.
 *
 * The slots keep the ids of earlier threads. So every waiter sees for itself that one of them is
 * dead, whether that thread died waiting or on its way back to the barrier. A new thread takes the
 * slot of a dead one.
 */
import { Mutex, checkCaller } from './mutex.js'
import { graceOf, Patience, type LockOptions } from './waiting.js'
import { checkCount, checkWords, sharedWords } from './words.js'

const TURN = 1
const COUNT = 2
const SLOTS = 3
const SLOT_WORDS = 2
const ARRIVED = 1

/** The most threads of a barrier. */
export const MAX_BARRIER_COUNT = 65_536

/** The words of a barrier for `count` threads. */
export function barrierWords(count: number): number {
  return SLOTS + SLOT_WORDS * count
}

/**
 * The result of a wait at a barrier. If all threads have arrived: `'last'` for the thread that came
 * last, `'passed'` for the others. If not, this thread's arrival was taken back: `'dead'` because
 * one of the threads is dead, `'timed-out'` because the deadline passed.
 */
export type Arrival = 'last' | 'passed' | 'dead' | 'timed-out'

/**
 * A meeting point of a fixed number of threads, for repeated use.
 *
 * With `isDead` a wait ends when a thread that has been at the barrier before is dead. Each later
 * wait ends too, until a thread with a new id takes the dead one's place; that thread must pass
 * `isDead` too. The barrier does not know a thread that dies before its first arrival, so for that
 * a wait needs a deadline. If threads can be terminated, a deadline needs `isDead` to hold, because
 * a thread may die in the section of a few instructions in which it arrives.
 *
 * @example
 * for (const step of steps) {
 *   step.run(mine)
 *   if (Barrier.wait(barrier, threadId, { isDead }) === 'dead') return
 * }
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- the shape of atomics-sync
export class Barrier {
  /**
   * Makes a barrier for `count` threads, in the given memory or in new memory.
   *
   * @throws RangeError when `count` is not a whole number from 1 to {@link MAX_BARRIER_COUNT}, or
   * there are fewer than {@link barrierWords} words.
   */
  static init(
    count: number,
    words: Int32Array<SharedArrayBuffer> = sharedWords(barrierWords(count)),
  ): Int32Array<SharedArrayBuffer> {
    checkCount('count', count, 1, MAX_BARRIER_COUNT)
    checkWords('barrier', words, barrierWords(count))
    words.fill(0, 0, barrierWords(count))
    words[COUNT] = count
    // Pairs with: Mutex.lock in `enter`, if another thread already has the words.
    Mutex.init(words)
    return words
  }

  /**
   * Arrives, and waits until all other threads have arrived. Any thread.
   *
   * If `isDead` or `whileWaiting` throws, the thread still counts as arrived. It may call `wait`
   * again.
   *
   * @returns how the wait ended, never `'timed-out'`.
   * @throws RangeError when an id or `graceMs` is out of range, or the words are no barrier; the
   * error of `isDead` or `whileWaiting`.
   */
  static wait(
    barrier: Int32Array<SharedArrayBuffer>,
    threadId: number,
    options?: LockOptions,
  ): Exclude<Arrival, 'timed-out'> {
    return waitAtBarrier(barrier, threadId, Infinity, options) as Exclude<Arrival, 'timed-out'>
  }

  /**
   * Arrives, and waits until all other threads have arrived or the deadline has passed. Any thread.
   *
   * @param timestampMs the deadline, in milliseconds since 1970, as of `Date.now()`.
   * @returns how the wait ended.
   * @throws as {@link wait}.
   */
  static timedWait(
    barrier: Int32Array<SharedArrayBuffer>,
    threadId: number,
    timestampMs: number,
    options?: LockOptions,
  ): Arrival {
    return waitAtBarrier(barrier, threadId, timestampMs, options)
  }
}

type Words = Int32Array<SharedArrayBuffer>

function waitAtBarrier(
  barrier: Words,
  threadId: number,
  timestampMs: number,
  options: LockOptions | undefined,
): Arrival {
  checkBarrier(barrier)
  checkCaller(barrier, threadId)
  const graceMs = graceOf(options)
  const patience = Patience.until(timestampMs)
  const { turn, slot, last } = arrive(barrier, threadId, options)
  if (last) return 'last'
  let sliceIsOver = false
  for (;;) {
    // Pairs with: the store of `turn` in `tryOpen`.
    if (Atomics.load(barrier, TURN) !== turn) return 'passed'
    const leftMs = patience.sliceMs(graceMs)
    // NaN counts as over.
    const over = !(leftMs > 0)
    if (over || (sliceIsOver && options?.isDead !== undefined)) {
      const left = leave(barrier, threadId, turn, slot, over, options)
      if (left !== 'waiting') return left
    }
    options?.whileWaiting?.()
    sliceIsOver = patience.wait(barrier, TURN, turn, leftMs) === 'timed-out'
  }
}

function arrive(
  barrier: Words,
  threadId: number,
  options: LockOptions | undefined,
): { turn: number; slot: number; last: boolean } {
  enter(barrier, threadId, options)
  try {
    const slot = slotOf(barrier, threadId, options)
    // Plain accesses, here and below: these words are written only in the section.
    const turn = barrier[TURN]
    barrier[slot] = threadId
    barrier[slot + ARRIVED] = turn
    return { turn, slot, last: tryOpen(barrier) }
  } finally {
    Mutex.unlock(barrier, threadId)
  }
}

/** Takes back the arrival if the wait is over, unless the barrier has opened. */
function leave(
  barrier: Words,
  threadId: number,
  turn: number,
  slot: number,
  over: boolean,
  options: LockOptions | undefined,
): Arrival | 'waiting' {
  enter(barrier, threadId, options)
  try {
    if (barrier[TURN] !== turn) return 'passed'
    const dead = hasDead(barrier, threadId, options)
    if (!dead && !over) return 'waiting'
    barrier[slot + ARRIVED] = turn - 1
    return dead ? 'dead' : 'timed-out'
  } finally {
    Mutex.unlock(barrier, threadId)
  }
}

/** Enters the section. Opens the barrier if a thread died just before it could open it. */
function enter(barrier: Words, threadId: number, options: LockOptions | undefined): void {
  if (Mutex.lock(barrier, threadId, options) === 'acquired') return
  tryOpen(barrier)
  Mutex.consistent(barrier, threadId)
}

/** In the section: opens the barrier if all threads have arrived. @returns whether it opened. */
function tryOpen(barrier: Words): boolean {
  const turn = barrier[TURN]
  const end = barrierWords(barrier[COUNT])
  for (let slot = SLOTS; slot < end; slot += SLOT_WORDS) {
    if (barrier[slot] === 0 || barrier[slot + ARRIVED] !== turn) return false
  }
  // The commit point: takes back all arrivals at once. Pairs with: the load of `turn` and
  // Atomics.wait in `waitAtBarrier`.
  Atomics.store(barrier, TURN, turn + 1)
  Atomics.notify(barrier, TURN)
  return true
}

/**
 * In the section: finds the slot of an arriving thread: its own, a dead thread's, a free one, or
 * one not in use.
 */
function slotOf(barrier: Words, threadId: number, options: LockOptions | undefined): number {
  const turn = barrier[TURN]
  const end = barrierWords(barrier[COUNT])
  let free = 0
  let idle = 0
  for (let slot = SLOTS; slot < end; slot += SLOT_WORDS) {
    if (barrier[slot] === threadId) return slot
    if (barrier[slot] === 0) free ||= slot
    else if (barrier[slot + ARRIVED] !== turn) idle ||= slot
  }
  // A dead thread's slot comes before a free one. Else the dead thread would count beside the
  // thread that takes its place.
  for (let slot = SLOTS; slot < end; slot += SLOT_WORDS) {
    if (barrier[slot] !== 0 && options?.isDead?.(barrier[slot]) === true) return slot
  }
  // There is such a slot: if all threads had arrived in this turn, the barrier would have opened.
  return free || idle
}

/** In the section: whether another thread is dead. Takes back the arrivals of dead threads. */
function hasDead(barrier: Words, threadId: number, options: LockOptions | undefined): boolean {
  const end = barrierWords(barrier[COUNT])
  let found = false
  for (let slot = SLOTS; slot < end; slot += SLOT_WORDS) {
    if (barrier[slot] === 0 || barrier[slot] === threadId) continue
    if (options?.isDead?.(barrier[slot]) !== true) continue
    barrier[slot + ARRIVED] = barrier[TURN] - 1
    found = true
  }
  return found
}

/** Checks the words, because bytes from another thread are untrusted, and `count` bounds loops. */
function checkBarrier(barrier: Words): void {
  checkWords('barrier', barrier, barrierWords(1))
  // A plain read: `count` was written before any other thread got the words.
  const count = barrier[COUNT]
  checkCount('barrier count', count, 1, MAX_BARRIER_COUNT)
  checkWords('barrier', barrier, barrierWords(count))
}
