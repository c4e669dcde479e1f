/**
 * jest-worker: found when its module is loaded, and known by the method of its pools that submits.
 * It posts `[1, …, method, args]`, and `[code, …]` back, one at a time.
 */
import { CallTask, type CallLibrary, type CallTracker } from './call-tracker.js'
import { seeModules } from './modules.js'
import type { Method } from './patches.js'
import { Pools, type PoolFacts } from './pool.js'

const KIND = 'jest-worker'
const SUBMITTING = '_callFunctionWithArgs'
// What it posts: a call, and the replies to one.
const CALL = 1
const DONE = 0
const REPLIES: readonly unknown[] = [DONE, 1, 2]

/** The parts of a pool that are looked at. */
interface JestPool {
  readonly _options?: { readonly numWorkers?: number }
  readonly _workerPool?: { readonly getWorkers?: () => readonly unknown[] }
}

export const jestWorker: CallLibrary = {
  kind: KIND,
  depth: 2,
  callIn(message) {
    if (!Array.isArray(message)) return undefined
    const [code, , name, args] = message as unknown[]
    if (code !== CALL || typeof name !== 'string' || !Array.isArray(args)) return undefined
    return { key: undefined, name, args }
  },
  replyIn(message) {
    if (!Array.isArray(message)) return undefined
    const [code] = message as unknown[]
    return REPLIES.includes(code) ? { key: undefined, hasFailed: code !== DONE } : undefined
  },
  watch(tracker) {
    const pools = new Pools<JestPool>(factsOf)
    const method = (call: Method): Method => watchedCall(tracker, pools, call)
    tracker.patches.add(
      seeModules(/jest-worker/, (exports) =>
        tracker.attempt(() => {
          const { Worker } = exports as { Worker?: unknown }
          if (typeof Worker === 'function') tracker.patches.replace(Worker.prototype, [SUBMITTING], method)
        }),
      ),
    )
  },
}

function watchedCall(tracker: CallTracker, pools: Pools<JestPool>, call: Method): Method {
  return function (...args) {
    const [method, ...given] = args
    const { result, one } = tracker.submitting(
      () =>
        new CallTask(pools.of(this, KIND), KIND, String(method), (carried) => {
          return carried.name === method && areSame(carried.args, given)
        }),
      () => call.apply(this, args),
    )
    return one !== undefined && result instanceof Promise ? followed(tracker, one, result) : result
  }
}

/**
 * The program gets a promise of its own: a listener on the pool's one would hide that the program
 * does not handle a rejection.
 */
function followed(tracker: CallTracker, one: CallTask, result: Promise<unknown>): Promise<unknown> {
  const watched = result.then(
    (value: unknown) => {
      tracker.attempt(() => tracker.handle(one, false))
      return value
    },
    (error: unknown) => {
      tracker.attempt(() => tracker.handle(one, true))
      throw error
    },
  )
  return Object.defineProperties(watched, Object.getOwnPropertyDescriptors(result))
}

function factsOf({ _options = {}, _workerPool }: JestPool): PoolFacts {
  const threads = _workerPool?.getWorkers?.().length ?? 0
  const { numWorkers = threads } = _options
  return { minThreads: numWorkers, maxThreads: numWorkers, tasksPerThread: 1, threads }
}

function areSame(a: unknown, b: readonly unknown[]): boolean {
  return Array.isArray(a) && a.length === b.length && b.every((each, at) => Object.is(each, a[at]))
}
