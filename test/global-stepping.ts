/**
 * Threads of a test that take turns in the middle of what they do, on one thread.
 *
 * A `SteppedThread` is a function that looks at a buffer. All that it reads of shared memory is kept, and when it shall
 * go on after a pause it is run again from its start: it is given what it read then, stores nothing, and so comes to
 * where it was, and goes on in earnest. It must do the same each time, and keep what it does in its `report`. Pausing and
 * dying are exceptions; nothing in relay catches or cleans up.
 *
 * A step is an Atomics operation, a store into the data, a read of it, or a look at the clock; plain accesses of words
 * belong to the step that follows them. It shows every interleaving that a sequentially consistent machine has; what
 * stores do in a store buffer it does not show.
 */
import type { GlobalBuffer } from '@rchan/ring'

type Words = Int32Array | BigInt64Array | Float64Array | Uint8Array

class Pause extends Error {}

const watched = new WeakMap<object, { target: Words; thread: SteppedThread<unknown> }>()

const { load, store, add, compareExchange } = Atomics
function watching(operation: (...args: never[]) => unknown): (...args: unknown[]) => unknown {
  return (array, ...rest) => {
    const found = watched.get(array as object)
    const call = (): unknown =>
      (operation as (...args: unknown[]) => unknown)(found?.target ?? array, ...rest)
    return found === undefined ? call() : found.thread.access(true, call)
  }
}

/** Makes `Atomics` see through watched arrays. @returns how to undo it. */
export function watchGlobalAtomics(): () => void {
  Object.assign(Atomics, {
    load: watching(load),
    store: watching(store),
    add: watching(add),
    compareExchange: watching(compareExchange),
  })
  return () => Object.assign(Atomics, { load, store, add, compareExchange })
}

export class SteppedThread<Report> {
  /** What it has done so far. */
  report: Report
  done = false
  dead = false
  readonly #life: (thread: SteppedThread<Report>, buffer: GlobalBuffer) => void
  readonly #newReport: () => Report
  readonly #buffer: GlobalBuffer
  readonly #log: unknown[] = []
  #cursor = 0
  #budget = 0
  steps = 0

  /** @param stored is called after each store into the data. */
  constructor(
    buffer: GlobalBuffer,
    newReport: () => Report,
    life: (thread: SteppedThread<Report>, buffer: GlobalBuffer) => void,
    stored: (thread: SteppedThread<Report>) => void = () => {},
  ) {
    this.#life = life
    this.#newReport = newReport
    this.report = newReport()
    this.#buffer = this.#watch(buffer, stored)
  }

  /** Goes on for this many steps. @returns whether it can go on after them. */
  advance(steps: number): boolean {
    if (this.done || this.dead) return false
    this.#cursor = 0
    this.#budget = steps
    this.report = this.#newReport()
    try {
      this.#life(this, this.#buffer)
      this.done = true
    } catch (error) {
      if (!(error instanceof Pause)) throw error
    }
    return !this.done
  }

  /** Something that depends on others, which this thread does once. */
  access<T>(step: boolean, perform: () => T): T {
    if (this.#cursor < this.#log.length) {
      this.#cursor += 1
      return this.#log[this.#cursor - 1] as T
    }
    if (this.#budget === 0) throw new Pause()
    if (step) {
      this.#budget -= 1
      this.steps += 1
    }
    const value = perform()
    this.#log.push(value)
    this.#cursor += 1
    return value
  }

  /** Pauses until `ready`. */
  wait(ready: () => boolean): void {
    if (this.#cursor === this.#log.length && !ready()) throw new Pause()
    this.access(false, () => 0)
  }

  #watch(buffer: GlobalBuffer, stored: (thread: SteppedThread<Report>) => void): GlobalBuffer {
    const copy = Object.create(buffer) as GlobalBuffer
    for (const name of ['words', 'longs', 'doubles', 'data'] as const) {
      const target: Words = buffer[name]
      const proxy = new Proxy(target, {
        get: (_, key) => {
          if (typeof key === 'string' && /^\d+$/.test(key)) {
            return this.access(name === 'data', () => target[Number(key)])
          }
          if (key === 'subarray') {
            return (from: number, to: number) => this.access(true, () => target.slice(from, to))
          }
          if (key === 'set') {
            return (bytes: Uint8Array, at: number) =>
              this.access(true, () => {
                ;(target as Uint8Array).set(bytes, at)
                stored(this)
              })
          }
          throw new Error(`not watched: ${String(key)}`)
        },
        set: (_, key, value) => {
          this.access(name === 'data', () => {
            Reflect.set(target, key, value, target)
            if (name === 'data') stored(this)
          })
          return true
        },
      })
      watched.set(proxy, { target, thread: this as SteppedThread<unknown> })
      Object.defineProperty(copy, name, { value: proxy })
    }
    return copy
  }
}
