/**
 * Catches the accesses of a thread under test to shared memory: the base of the stepping harness.
 *
 * The harness plays several threads on one, with the real code. It stops a thread under test before
 * each of its accesses to shared memory. There another thread may take its steps, or the thread
 * dies as by `worker.terminate()`: through an exception that nothing in the code under test catches
 * or cleans up. There are three ways to play:
 *
 * - interrupted.ts: one thread runs through, and others do whole operations before any of its
 *   accesses. Costs one run for each history. Interruptions can't be nested further.
 * - paused.ts: threads stop anywhere, for as long as the test likes, and go on. Costs one more run
 *   of the thread for each pause.
 * - every-order.ts: every order of the steps of a few threads, up to bounds on deaths and timeouts.
 *
 * All three catch accesses by this file. It always catches an operation of `Atomics`. It catches a
 * plain access if the thread gets its memory as watched arrays ({@link watch}); the way to play
 * decides whether that is a separate step. No thread really sleeps in `Atomics.wait`: each way
 * plays waits and time.
 *
 * This shows the histories of a sequentially consistent machine. It does not show the effects of a
 * store buffer.
 */
export type SharedArray = Int32Array | Uint32Array | BigInt64Array | Float64Array | Uint8Array

const { load, store, add, sub, and, or, exchange, compareExchange, wait, notify } = Atomics
const OPERATIONS = { load, store, add, sub, and, or, exchange, compareExchange, wait, notify }
type Operation = keyof typeof OPERATIONS

/** Plain accesses: `read` and `write` of one element, and methods of the array. */
type Plain = 'read' | 'write' | Method
type Method = 'subarray' | 'slice' | 'set' | 'fill'
const METHODS: readonly string[] = ['subarray', 'slice', 'set', 'fill'] satisfies Method[]

/** One access that is about to happen. */
export class Access {
  readonly name: Operation | Plain
  readonly target: SharedArray
  /** The arguments of the operation without its array: the index first, except for methods. */
  readonly args: readonly unknown[]

  constructor(name: Operation | Plain, target: SharedArray, args: readonly unknown[]) {
    this.name = name
    this.target = target
    this.args = args
  }

  get isAtomic(): boolean {
    return this.name in OPERATIONS
  }

  get isPlainStore(): boolean {
    return this.name === 'write' || this.name === 'set' || this.name === 'fill'
  }

  /** For a `wait`: whether the word still has the value that the thread would wait on. */
  get isWorthWaiting(): boolean {
    return this.target[this.args[0] as number] === this.args[1]
  }

  /** Performs the access: on its own memory, or on other memory, `shift` elements further on. */
  perform(target: SharedArray = this.target, shift = 0): unknown {
    const { name, args } = this
    if (METHODS.includes(name)) {
      return (target[name as Method] as (...args: unknown[]) => unknown).apply(target, [...args])
    }
    const at = (args[0] as number) + shift
    if (name === 'read') return target[at]
    if (name === 'write') return void (target[at] = args[1] as never)
    return (OPERATIONS[name as Operation] as (...args: unknown[]) => unknown)(target, at, ...args.slice(1))
  }
}

/** Called in place of an access. Performs it, or throws. @returns the result of the access. */
export type Observer = (access: Access) => unknown

const watched = new WeakMap<object, { readonly target: SharedArray; readonly observer: Observer }>()

/** Returns the same array with an observer of its accesses. */
export function watch<A extends SharedArray>(target: A, observer: Observer): A {
  const proxy = new Proxy(target, {
    get(_, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        return observer(new Access('read', target, [Number(key)]))
      }
      if (METHODS.includes(key as string)) {
        return (...args: unknown[]) => observer(new Access(key as Plain, target, args))
      }
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value === 'function' && key !== 'constructor') {
        throw new Error(`not watched: ${String(key)}`)
      }
      return value
    },
    set(_, key, value) {
      observer(new Access('write', target, [Number(key), value]))
      return true
    },
  })
  watched.set(proxy, { target, observer })
  return proxy
}

/** Returns the same memory with all of its arrays watched. */
export function watchMemory<M extends object>(memory: M, observer: (name: string) => Observer): M {
  const copy = Object.create(memory) as M
  for (const [name, value] of Object.entries(memory)) {
    if (!ArrayBuffer.isView(value)) continue
    Object.defineProperty(copy, name, { value: watch(value as SharedArray, observer(name)) })
  }
  return copy
}

/** Watches all arrays of an object in place. The object must be the thread's own. */
export function watchInPlace<M extends object>(memory: M, observer: (name: string) => Observer): M {
  const watchedCopy = watchMemory(memory, observer)
  return Object.defineProperties(memory, Object.getOwnPropertyDescriptors(watchedCopy))
}

/**
 * Runs a function and catches its operations of `Atomics`, including those of the functions that it
 * calls.
 *
 * @param others observes operations on memory that is not watched. Without it they just happen.
 */
export function catchAccesses<T>(run: () => T, others?: Observer): T {
  const before = Object.fromEntries(Object.keys(OPERATIONS).map((name) => [name, Atomics[name as Operation]]))
  const caught = Object.keys(OPERATIONS).map((key) => {
    const name = key as Operation
    const operation = (array: SharedArray, ...args: unknown[]): unknown => {
      const found = watched.get(array)
      const observer = found?.observer ?? others
      const access = new Access(name, found?.target ?? array, args)
      return observer === undefined ? access.perform() : observer(access)
    }
    return [name, operation]
  })
  Object.assign(Atomics, Object.fromEntries(caught))
  try {
    return run()
  } finally {
    Object.assign(Atomics, before)
  }
}
