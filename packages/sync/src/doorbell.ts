/**
 * A doorbell: one thread sleeps, and any number of threads wake it. A ring costs next to nothing
 * while the sleeper is awake.
 *
 * It is two words of shared memory. The sleeper never misses a ring: it announces its sleep, takes
 * a ticket, looks for work once more, and only then waits.
 *
 * ```text
 *   ringer                                   sleeper
 *   publish the work  (Atomics.store)        sleeping := 1            (1)
 *   sleeping ? …      (Atomics.load)         ticket := rings          (2)
 *     rings += 1, notify                     look for the work        (3)
 *                                            wait while rings = ticket
 * ```
 *
 * All of these operations are sequentially consistent. So either the ringer sees (1) and its ring
 * changes the word of the ticket, or the sleeper's look (3) comes after the publication and finds
 * the work.
 */

/**
 * The number of words of a doorbell: `rings`, which each ring counts up, and `sleeping`, which the
 * sleeper owns.
 */
export const DOORBELL_WORDS = 2

const RINGS = 0
const SLEEPING = 1

/** The end of a sleep: by a ring, which may have come before the sleep, or by the timeout. */
export type Awakening = 'rung' | 'timed-out'

/**
 * The two ends of a doorbell. Make one in each thread, over the same words.
 *
 * @example
 * // sleeper                                  // ringer
 * const ticket = bell.announce()              Atomics.store(work, 0, 1)
 * if (!findWork()) bell.sleep(ticket, 100)    bell.ring()
 * else bell.stayAwake()
 */
export class Doorbell {
  readonly #words: Int32Array<SharedArrayBuffer>

  /** @param words at least {@link DOORBELL_WORDS} words of shared memory, zero at first. */
  constructor(words: Int32Array<SharedArrayBuffer>) {
    if (words.length < DOORBELL_WORDS) {
      throw new RangeError(`doorbell words.length=${words.length}, needs ${DOORBELL_WORDS}`)
    }
    this.#words = words
  }

  /**
   * Sleeper: announces that it is about to sleep. Look for work after this and before
   * {@link sleep}. @returns the ticket.
   */
  announce(): number {
    Atomics.store(this.#words, SLEEPING, 1)
    return Atomics.load(this.#words, RINGS)
  }

  /** Sleeper: sleeps until a ring after the ticket, for at most `timeoutMs` (may be Infinity). */
  sleep(ticket: number, timeoutMs: number): Awakening {
    const result = Atomics.wait(this.#words, RINGS, ticket, timeoutMs)
    this.stayAwake()
    return result === 'timed-out' ? 'timed-out' : 'rung'
  }

  /** Sleeper: takes back the announcement, after it found work. */
  stayAwake(): void {
    Atomics.store(this.#words, SLEEPING, 0)
  }

  /**
   * Any thread, after it published work by an `Atomics` store: wakes the sleeper if it sleeps.
   * Costs one `Atomics.load` (about 7 ns) while the sleeper is awake, and a notify (6 to 16 µs)
   * when it sleeps.
   */
  ring(): void {
    if (Atomics.load(this.#words, SLEEPING) === 0) return
    Atomics.add(this.#words, RINGS, 1)
    Atomics.notify(this.#words, RINGS, 1)
  }
}
