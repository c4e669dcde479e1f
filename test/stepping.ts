/**
 * Steps through the accesses of a writer or a reader to shared memory, on one thread.
 *
 * Before each access `step` is called: there a test can let the other side do something, or throw, which is what
 * `worker.terminate()` does to a thread, since nothing in relay catches or cleans up. It shows every interleaving
 * that a sequentially consistent machine has; what stores do in a store buffer it does not show.
 */
import type { BufferMemory } from '@rchan/ring'

type Words = Uint32Array | BigInt64Array | Float64Array | Uint8Array

const watched = new WeakMap<object, { target: Words; step: () => void }>()

const { load, store, add, exchange } = Atomics
function watching(operation: (...args: never[]) => unknown): (...args: unknown[]) => unknown {
  return (array, ...rest) => {
    const found = watched.get(array as object)
    found?.step()
    return (operation as (...args: unknown[]) => unknown)(found?.target ?? array, ...rest)
  }
}

/** Makes `Atomics` see through watched arrays. @returns how to undo it. */
export function watchAtomics(): () => void {
  Object.assign(Atomics, {
    load: watching(load),
    store: watching(store),
    add: watching(add),
    exchange: watching(exchange),
  })
  return () => Object.assign(Atomics, { load, store, add, exchange })
}

const OPERATIONS = ['load', 'store', 'add', 'sub', 'and', 'or', 'exchange', 'compareExchange'] as const

/**
 * Calls `step` before each operation of `Atomics`, on whatever memory, but for those that `step` itself does. Nobody is
 * there to end a wait, so each is over at once.
 *
 * @returns how to undo it.
 */
export function stepAtomics(step: () => void): () => void {
  const before = {
    ...Object.fromEntries(OPERATIONS.map((name) => [name, Atomics[name]])),
    wait: Atomics.wait,
  }
  Object.assign(Atomics, { wait: () => 'timed-out' })
  let isStepping = false
  for (const name of OPERATIONS) {
    const operation = Atomics[name] as (...args: unknown[]) => unknown
    const stepped = (...args: unknown[]): unknown => {
      if (!isStepping) {
        isStepping = true
        try {
          step()
        } finally {
          isStepping = false
        }
      }
      return operation(...args)
    }
    Object.assign(Atomics, { [name]: stepped })
  }
  return () => Object.assign(Atomics, before)
}

/**
 * The same memory, watched.
 *
 * @param access which plain accesses are steps. Those of Atomics always are; plain stores are for a writer, and plain
 * reads, those of the copy's bytes too, for a reader; none where a straight line of stores counts as one.
 */
export function stepThrough(
  buffer: BufferMemory,
  access: 'stores' | 'reads' | 'atomics',
  step: () => void,
): BufferMemory {
  const watch = <A extends Words>(target: A): A => {
    const proxy = new Proxy(target, {
      get(_, key) {
        const value: unknown = Reflect.get(target, key, target)
        if (key === 'subarray') return (from: number, to: number) => watch(target.subarray(from, to))
        if (access === 'reads' && typeof key === 'string' && /^\d+$/.test(key)) step()
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value
      },
      set(_, key, value) {
        if (access === 'stores') step()
        return Reflect.set(target, key, value, target)
      },
    })
    watched.set(proxy, { target, step })
    return proxy
  }
  const watchedBuffer = Object.create(buffer) as BufferMemory
  for (const name of ['words', 'counters', 'doubles', 'data'] as const) {
    Object.defineProperty(watchedBuffer, name, { value: watch(buffer[name]) })
  }
  return watchedBuffer
}
