/**
 * The flush when the process ends without `stop`, on the recording thread. It runs as the first and
 * as the last `exit` listener, and when the event loop has nothing more to do:
 *
 * - *First*, by a listener at the front. A listener that throws, or that calls `process.exit()`,
 *   keeps all later listeners from running. Not where all later listeners are rchan's own: a flush
 *   takes a grace period.
 * - *Last*, in the order of registration, for the records of other listeners.
 * - At `beforeExit`, if the program has removed our `exit` listeners in a way that we didn't
 *   notice.
 *
 * The hook only flushes. So an `exit` event that the program itself emits, in a test say, ends no
 * recording.
 *
 * When the program adds an `exit` listener, ours move to the front and to the end again, in the
 * next microtask.
 *
 * Some programs remove listeners that they don't know (`process.removeAllListeners('exit')`). Ours
 * come back at once, at the end of the list. Node's loop over the list goes backwards, and a
 * listener put in front during the loop would save another listener from removal. A microtask later
 * ours are at their places. This works also after `removeAllListeners()`, which drops even
 * listeners that come back within it. A loop `while (process.listenerCount('exit') > 0)` must end
 * too, so our listeners come back at once only a few times in a turn.
 */

import { thisProcess } from './process.js'

/** How often in a turn of the event loop a listener comes back at once. */
const MOST_RETURNS = 8
/**
 * How often in a recording our listeners move around new ones. Another library may want to be first
 * as well.
 */
const MOST_ARRANGEMENTS = 1000

// Taken now, because programs, and above all tests, replace it later.
const microtask = queueMicrotask

type Listener = (this: void) => void

/** On listeners of rchan's own, which neither throw nor end the process. Probes have some, too. */
const HARMLESS = Symbol.for('rchan.atExit')

/** Marks an `exit` listener that neither throws nor ends the process. */
export function harmless<L extends object>(listener: L): L {
  return Object.defineProperty(listener, HARMLESS, { value: true })
}

function isHarmless(listener: Listener): boolean {
  return (listener as { [HARMLESS]?: unknown })[HARMLESS] === true
}

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
  /** Whether the current change of the lists is our own. */
  #arranging = false
  #returns = 0

  /**
   * @param flush must not throw, keep the process alive, or need the event loop. It returns false
   * when it waited in vain. Then it is not called again, so that a hanging disk delays the exit
   * only once.
   */
  constructor(flush: () => boolean) {
    let gaveUp = false
    this.#flush = () => {
      if (!this.#ended && !gaveUp) gaveUp = !flush()
    }
    // Three functions, so that a program that removes one by its identity removes only that one.
    this.#first = () => {
      if (this.#isAlone()) return
      this.#flush()
    }
    this.#last = () => this.#flush()
    this.#beforeExit = () => {
      if (has('exit', this.#first) && has('exit', this.#last)) return
      this.#flush()
    }
    try {
      this.#arrange()
    } catch (error) {
      // A `newListener` listener of the program has thrown.
      this.end()
      throw error
    }
  }

  /** Removes the listeners for good. */
  end(): void {
    this.#ended = true
    thisProcess.off('removeListener', this.#removed)
    thisProcess.off('newListener', this.#added)
    thisProcess.off('exit', this.#first)
    thisProcess.off('exit', this.#last)
    thisProcess.off('beforeExit', this.#beforeExit)
  }

  /** Whether the last listener will run, whatever those before it do. */
  #isAlone(): boolean {
    const listeners = thisProcess.listeners('exit') as Listener[]
    return (
      listeners.includes(this.#last) &&
      listeners.every((each) => each === this.#first || each === this.#last || isHarmless(each))
    )
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

  /** Puts each listener at its place, if it is not there. */
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
      // The program may end within this turn, without our listeners.
      this.#flush()
    }
    this.#returns += 1
    if (this.#returns <= MOST_RETURNS) thisProcess.on(name as 'exit', listener as Listener)
  }
}

function has(name: string, listener: unknown): boolean {
  return (thisProcess as NodeJS.EventEmitter).listeners(name).includes(listener as Listener)
}
