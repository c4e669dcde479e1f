/**
 * The callbacks of one thread that wait for a buffer's next switch. A switch of this thread calls
 * them; for a switch of another thread they are called from the event loop.
 */
import type { WaitQueue } from '@rchan/sync'

/** The waiters of one buffer in this thread. */
export class Waiters {
  /** Whether it calls them, in the middle of a switch. */
  isWaking = false
  readonly #queue: WaitQueue
  readonly #isOver: () => boolean
  readonly #threw: (error: unknown) => void
  /** Callbacks to run, once, after the next switch, when that was published. */
  readonly #waiters = new Set<() => void>()
  /** Ends what {@link listen} began. */
  #stopListening: () => void = () => undefined

  /**
   * @param isOver whether there is nothing to wait for: a sub-buffer is complete.
   * @param threw takes what a callback throws.
   */
  constructor(queue: WaitQueue, isOver: () => boolean, threw: (error: unknown) => void) {
    this.#queue = queue
    this.#isOver = isOver
    this.#threw = threw
  }

  /** How many wait. */
  get count(): number {
    return this.#waiters.size
  }

  add(wake: () => void): void {
    this.#waiters.add(wake)
  }

  /** This thread has switched: calls those that wait here. */
  callWithinSwitch(): void {
    const wasWaking = this.isWaking
    this.isWaking = true
    this.#callAll()
    this.isWaking = wasWaking
  }

  /** Lets them know of another thread's switch. */
  listen(): void {
    this.#stopListening()
    let isOver = false
    const stop = this.#queue.whenWoken(this.#isOver, () => {
      isOver = true
      this.#callAll()
    })
    if (!isOver) this.#stopListening = stop
  }

  stopListening(): void {
    this.#stopListening()
  }

  /** Nothing is called any more. */
  clear(): void {
    this.#stopListening()
    this.#waiters.clear()
  }

  #callAll(): void {
    this.#stopListening()
    const woken = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of woken) this.#call(wake)
  }

  #call(wake: () => void): void {
    try {
      wake()
    } catch (error) {
      // The record that caused the switch is still to be written.
      this.#threw(error)
    }
  }
}
