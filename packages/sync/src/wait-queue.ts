/**
 * A wait queue: any number of threads sleep until something has happened. The thread that makes it
 * happen pays next to nothing while nobody sleeps. (A {@link Doorbell} is for one sleeper.)
 *
 * Two words of shared memory, zero at first. No wake-up is missed: a sleeper counts itself in,
 * takes a ticket, looks for what it waits for once more, and only then waits for the ticket to be
 * old.
 *
 * ```text
 *   waker                                    sleeper
 *   publish           (Atomics.store)        sleepers += 1            (1)
 *   sleepers ? …      (Atomics.load)         ticket := wakes          (2)
 *     wakes += 1, notify all                 look once more           (3)
 *                                            wait while wakes = ticket
 * ```
 *
 * All of these are sequentially consistent, so either the waker sees (1) and its wake changes the
 * word that the ticket was taken of, or the sleeper's look (3) comes after the publication. A
 * sleeper that dies stays counted in, and every wake then notifies (25 to 40 ns); nothing else
 * comes of it.
 */
import { Patience } from './waiting.js'
import { checkWords } from './words.js'

/** The words of a wait queue: `wakes`, counted up at each wake, and `sleepers`. */
export const WAIT_QUEUE_WORDS = 2

const WAKES = 0
const SLEEPERS = 1

/**
 * One wait queue, seen from one thread.
 *
 * @example
 * // sleeper                                      // waker
 * queue.sleepUntil(() => findWork(), 100)         Atomics.store(work, 0, 1)
 *                                                 queue.wake()
 */
export class WaitQueue {
  readonly #words: Int32Array<SharedArrayBuffer>

  /** @param words at least {@link WAIT_QUEUE_WORDS} words of shared memory, zero at first. */
  constructor(words: Int32Array<SharedArrayBuffer>) {
    checkWords('wait queue', words, WAIT_QUEUE_WORDS)
    this.#words = words
  }

  /** Whether a thread sleeps, as far as is known. */
  get hasSleepers(): boolean {
    return Atomics.load(this.#words, SLEEPERS) > 0
  }

  /**
   * Any thread, after it has published by an `Atomics` store: wakes all sleepers. @returns whether
   * there were any.
   */
  wake(): boolean {
    if (!this.hasSleepers) return false
    Atomics.add(this.#words, WAKES, 1)
    Atomics.notify(this.#words, WAKES)
    return true
  }

  /**
   * Sleeps until `look` finds what it looks for; it is called before the first sleep and after each
   * wake.
   *
   * Blocks the calling thread.
   *
   * @param timeoutMs how long to wait at most, in milliseconds; may be Infinity.
   * @returns whether it was found.
   */
  sleepUntil(look: () => boolean, timeoutMs: number): boolean {
    const patience = Patience.of(timeoutMs)
    Atomics.add(this.#words, SLEEPERS, 1)
    try {
      for (;;) {
        const ticket = Atomics.load(this.#words, WAKES)
        if (look()) return true
        const leftMs = patience.sliceMs(Infinity)
        // Not a number: over at once. Atomics.wait would take it for ever.
        if (!(leftMs > 0)) return false
        patience.wait(this.#words, WAKES, ticket, leftMs)
      }
    } finally {
      Atomics.sub(this.#words, SLEEPERS, 1)
    }
  }

  /**
   * Calls `woken` at the next wake, on the calling thread, from its event loop, which this does not
   * keep alive.
   *
   * @param look called once more, now: when it finds something, `woken` is called at once.
   * @returns ends the wait, if it has not ended: `woken` is not called any more, nor the memory
   * touched.
   */
  whenWoken(look: () => boolean, woken: () => void): () => void {
    Atomics.add(this.#words, SLEEPERS, 1)
    const ticket = Atomics.load(this.#words, WAKES)
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      Atomics.sub(this.#words, SLEEPERS, 1)
    }
    const done = (): void => {
      if (isOver) return
      end()
      woken()
    }
    if (look()) {
      done()
      return end
    }
    const wait = Atomics.waitAsync(this.#words, WAKES, ticket)
    if (wait.async) void wait.value.then(done)
    else done()
    return end
  }
}
