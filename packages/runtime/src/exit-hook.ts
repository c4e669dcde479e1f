/**
 * What runs when the process ends without `stop`, on the thread that records: a flush, first and
 * last of all `exit` listeners, and when the event loop has nothing more to do.
 *
 * - *First*, by a listener that is put in front, because one that throws, or that calls
 *   `process.exit()`, keeps all that come after it from running.
 * - *Last*, in the order of registration, for what other listeners have traced.
 * - At `beforeExit`, for a program that has taken away our `exit` listeners in a way that we don't
 *   notice.
 *
 * It only flushes: an `exit` event that somebody has emitted, a test say, ends no recording.
 *
 * When somebody adds an `exit` listener, ours go round it in the next microtask, to the front and
 * to the end again.
 *
 * Programs take listeners away that they don't know (`process.removeAllListeners('exit')`). Ours
 * come back at once, at the end of the list: Node's loop over that list goes backwards, and
 * whatever is put in front during it would save the listener of somebody else. A microtask later
 * they are where they belong, also after `removeAllListeners()`, which forgets even what is put
 * back within it. `while (process.listenerCount('exit') > 0)` must come to an end, too: they come
 * back at once only a few times in a turn.
 */

import { thisProcess } from './process.js'

/** How often in a turn of the event loop a listener comes back at once. */
const MOST_RETURNS = 8
/**
 * How often in a recording they go round new ones: somebody else may want to be the first as well.
 */
const MOST_ARRANGEMENTS = 1000

// Programs, and above all tests, replace it later.
const microtask = queueMicrotask

type Listener = (this: void) => void

/** The listeners of one recording, from its start to {@link end}. */
export class ExitHook {
  readonly #flush: () => void
  readonly #first: Listener
  readonly #last: Listener
  readonly #beforeExit: Listener
  readonly #removed = (name: string | symbol, listener: unknown): void => this.#onRemoved(name, listener)
  readonly #added = (name: string | symbol): void => {
    if (name === 'exit') this.#arrangeSoon()
  }
  #ended = false
  #awaitsTurn = false
  #arrangements = 0
  /** The change in the lists is our own. */
  #arranging = false
  #returns = 0

  /**
   * @param flush must not throw, keep the process alive, or need the event loop. `false` says that
   * it waited in vain: then it is not called again, so that a disk that hangs holds the exit up
   * once.
   */
  constructor(flush: () => boolean) {
    let gaveUp = false
    this.#flush = () => {
      if (!this.#ended && !gaveUp) gaveUp = !flush()
    }
    // Three functions: a program that removes one of them by its identity removes that one only.
    this.#first = () => this.#flush()
    this.#last = () => this.#flush()
    this.#beforeExit = () => this.#flush()
    try {
      this.#arrange()
    } catch (error) {
      // A listener of the program for new listeners has thrown.
      this.end()
      throw error
    }
  }

  /** Takes the listeners away for good. */
  end(): void {
    this.#ended = true
    thisProcess.off('removeListener', this.#removed)
    thisProcess.off('newListener', this.#added)
    thisProcess.off('exit', this.#first)
    thisProcess.off('exit', this.#last)
    thisProcess.off('beforeExit', this.#beforeExit)
  }

  #arrangeSoon(): void {
    if (this.#awaitsTurn || this.#ended || this.#arranging) return
    this.#awaitsTurn = true
    microtask(() => {
      this.#awaitsTurn = false
      this.#returns = 0
      if (!this.#ended) this.#arrange()
    })
  }

  /** Puts each listener where it belongs, if it is not there. */
  #arrange(): void {
    this.#arranging = true
    try {
      if (!has('removeListener', this.#removed)) thisProcess.on('removeListener', this.#removed)
      if (!has('newListener', this.#added)) thisProcess.on('newListener', this.#added)
      if (!has('beforeExit', this.#beforeExit)) thisProcess.on('beforeExit', this.#beforeExit)
      const canMove = (this.#arrangements += 1) <= MOST_ARRANGEMENTS
      if (!has('exit', this.#first) || (canMove && thisProcess.listeners('exit')[0] !== this.#first)) {
        thisProcess.off('exit', this.#first)
        thisProcess.prependListener('exit', this.#first)
      }
      if (!has('exit', this.#last) || (canMove && thisProcess.listeners('exit').at(-1) !== this.#last)) {
        thisProcess.off('exit', this.#last)
        thisProcess.on('exit', this.#last)
      }
    } finally {
      this.#arranging = false
    }
  }

  #onRemoved(name: string | symbol, listener: unknown): void {
    if (this.#ended || this.#arranging) return
    if (listener !== this.#first && listener !== this.#last && listener !== this.#beforeExit) return
    if (this.#returns === 0) {
      this.#arrangeSoon()
      // The program may end within this turn, and without us.
      this.#flush()
    }
    this.#returns += 1
    if (this.#returns <= MOST_RETURNS) thisProcess.on(name as 'exit', listener as Listener)
  }
}

function has(name: string, listener: unknown): boolean {
  return (thisProcess as NodeJS.EventEmitter).listeners(name).includes(listener as Listener)
}
