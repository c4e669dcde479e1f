/**
 * The bells of the threads that take part in a relay: one word for each entry of the table of
 * members (layout.ts), which counts up at each ring. A thread that waits for several buffers at
 * once sleeps on its own bell.
 *
 * A switch rings the bell of the thread that drains the buffer, if that thread has counted itself
 * in as a sleeper of the buffer. So a switch costs no more than without bells while nobody sleeps.
 * What happens seldom rings all bells: a buffer is made, a channel is closed, an owner gives up a
 * buffer.
 *
 * ```text
 *   waker                                    sleeper
 *   publish           (Atomics.store)        counts itself in at each buffer  (1)
 *   sleepers ? …      (Atomics.load)         ticket := bell                   (2)
 *     bell += 1, notify                      look once more                   (3)
 *                                            wait while bell = ticket
 * ```
 *
 * All of these operations are sequentially consistent. So either the waker sees (1), and its ring
 * changes the word of the ticket, or the look (3) comes after the publication. A ring that was
 * meant for the dead thread which had the entry before only wakes for nothing.
 */
import { Patience } from '@rchan/sync/waiting'
import { MAX_MEMBERS, RELAY } from './layout.js'
import type { Members } from './members.js'
import type { RelayWords } from './words.js'

/** The bells of a relay, seen from one thread. */
export class Bells {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #members: Members
  readonly #listeners = new Set<() => void>()
  #isListening = false

  constructor(relay: RelayWords, members: Members) {
    this.#words = relay.words
    this.#members = members
  }

  /** Any thread: rings the bell of the member in an entry. An index that is none is ignored. */
  ring(index: number): void {
    if (!(index >= 0 && index < MAX_MEMBERS)) return
    const at = (RELAY.bells >> 2) + index
    Atomics.add(this.#words, at, 1)
    Atomics.notify(this.#words, at)
  }

  /** Any thread: rings the bell of every thread that takes part. */
  ringAll(): void {
    for (let index = 0; index < MAX_MEMBERS; index += 1) this.ring(index)
  }

  /** How often the bell of this thread has rung. */
  get ticket(): number {
    return Atomics.load(this.#words, this.#at)
  }

  /** Sleeps until the bell rings, or has rung since the ticket was taken. Blocks the thread. */
  sleep(ticket: number, timeoutMs: number): void {
    // NaN counts as over. Atomics.wait would take it as forever.
    if (timeoutMs > 0) Patience.of(timeoutMs).wait(this.#words, this.#at, ticket, timeoutMs)
  }

  /**
   * Calls `rung` once, from this thread's event loop, when the bell rings, or if it has rung since
   * the ticket was taken. It does not keep the event loop alive.
   *
   * @returns a function that ends the wait.
   */
  whenRung(ticket: number, rung: () => void): () => void {
    this.#listeners.add(rung)
    this.#listen(ticket)
    return () => this.#listeners.delete(rung)
  }

  /**
   * There is one waiter on the word, however many listen: on Node 20 several waiters of one word
   * can hang. A waiter that stands already sees every ring after its own ticket.
   */
  #listen(ticket: number): void {
    if (this.#isListening) return
    this.#isListening = true
    const wait = Atomics.waitAsync(this.#words, this.#at, ticket)
    const rung = (): void => {
      this.#isListening = false
      const listeners = [...this.#listeners]
      this.#listeners.clear()
      for (const listener of listeners) listener()
    }
    if (wait.async) void wait.value.then(rung)
    else queueMicrotask(rung)
  }

  get #at(): number {
    return (RELAY.bells >> 2) + this.#members.index
  }
}
