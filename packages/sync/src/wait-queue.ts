/**
 * A wait queue: any number of threads sleep until an event. A wake costs next to nothing while no
 * thread sleeps. (A {@link Doorbell} is for one sleeper.)
 *
 * It is two words of shared memory, zero at first. A sleeper misses no wake-up: it counts itself
 * in, takes a ticket, looks for its event once more, and only then waits for the ticket to be old.
 *
 * ```text
 *   waker                                    sleeper
 *   publish           (Atomics.store)        sleepers += 1            (1)
 *   sleepers ? …      (Atomics.load)         ticket := wakes          (2)
 *     wakes += 1, notify all                 look once more           (3)
 *                                            wait while wakes = ticket
 * ```
 *
 * All of these operations are sequentially consistent. So either the waker sees (1) and its wake
 * changes the word of the ticket, or the sleeper's look (3) comes after the publication. A sleeper
 * that dies stays counted in. Every wake then notifies (25 to 40 ns), which has no other effect.
 */
import { Patience } from './waiting.js'
import { checkWords } from './words.js'

/** The number of words of a wait queue: `wakes`, which each wake counts up, and `sleepers`. */
export const WAIT_QUEUE_WORDS = 2

const WAKES = 0
const SLEEPERS = 1

/**
 * A wait queue, as one thread sees it.
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
   * Any thread, after it published by an `Atomics` store: wakes all sleepers. @returns whether
   * there were any.
   */
  wake(): boolean {
    if (!this.hasSleepers) return false
    Atomics.add(this.#words, WAKES, 1)
    Atomics.notify(this.#words, WAKES)
    return true
  }

  /**
   * Sleeps until `look` returns true. `look` is called before the first sleep and after each wake.
   *
   * Any thread. Blocks the calling thread.
   *
   * @param timeoutMs the longest wait, in milliseconds; may be Infinity.
   * @returns whether `look` returned true.
   */
  sleepUntil(look: () => boolean, timeoutMs: number): boolean {
    const patience = Patience.of(timeoutMs)
    Atomics.add(this.#words, SLEEPERS, 1)
    try {
      for (;;) {
        const ticket = Atomics.load(this.#words, WAKES)
        if (look()) return true
        const leftMs = patience.sliceMs(Infinity)
        // NaN counts as over. Atomics.wait would take it as forever.
        if (!(leftMs > 0)) return false
        patience.wait(this.#words, WAKES, ticket, leftMs)
      }
    } finally {
      Atomics.sub(this.#words, SLEEPERS, 1)
    }
  }

  /**
   * Counts in a sleeper that waits on a word of its own, which the waker changes as well. Until
   * {@link countOut}, each {@link wake} returns true.
   *
   * The sleeper counts itself in, takes the value of its word, looks once more, and only then
   * sleeps, like any sleeper of the queue.
   */
  countIn(): void {
    Atomics.add(this.#words, SLEEPERS, 1)
  }

  /** Ends what {@link countIn} began. */
  countOut(): void {
    Atomics.sub(this.#words, SLEEPERS, 1)
  }

  /**
   * Calls `woken` at the next wake, on the calling thread, from its event loop. The wait does not
   * keep the event loop alive.
   *
   * @param look called once, now. If it returns true, `woken` is called at once.
   * @returns a function that ends the wait, if it has not ended. After it, `woken` is not called,
   * and the memory is not touched.
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
