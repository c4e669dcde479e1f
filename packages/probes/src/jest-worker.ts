/**
 * jest-worker: found when its module is loaded, and known by the method of its pools that submits.
 * It posts `[1, …, method, args]`, and `[code, …]` back, one at a time. What it sends to a child
 * process is seen by the method that sends.
 */
import { CallTask, type CallLibrary, type CallTracker } from './call-tracker.js'
import type { Call } from './calls.js'
import { taskName } from './envelope.js'
import { seeModules } from './modules.js'
import { isObject, type Method } from './patches.js'
import { Pools, type PoolFacts } from './pool.js'

const KIND = 'jest-worker'
const SUBMITTING = '_callFunctionWithArgs'
/** What only its workers in child processes have. */
const CHILD = '_child'
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
    tracker.attempt(() => watchProcesses(tracker, this))
    const { result, one } = tracker.submitting(
      () => {
        const file = fileIn(given)
        const name = file === '' ? String(method) : taskName(file, String(method))
        const isCarriedBy = (carried: Call): boolean =>
          carried.name === method && areSame(carried.args, given)
        return new CallTask(pools.of(this, KIND), KIND, name, isCarriedBy, file)
      },
      () => call.apply(this, args),
    )
    return one !== undefined && result instanceof Promise ? followed(tracker, one, result) : result
  }
}

/** The class of its workers in child processes is only seen in these. */
function watchProcesses(tracker: CallTracker, { _workerPool }: JestPool): void {
  const worker = _workerPool?.getWorkers?.()[0]
  if (!isObject(worker) || !(CHILD in worker)) return
  tracker.patches.replace(Object.getPrototypeOf(worker), ['send'], (send) => {
    return function (...args) {
      const [request, onStart, onEnd, ...more] = args
      let one: CallTask | undefined
      tracker.attempt(() => {
        const call = isObject(request) ? jestWorker.callIn(request) : undefined
        if (call !== undefined) one = tracker.sentToProcess(jestWorker, call)
      })
      if (one === undefined || typeof onEnd !== 'function') return send.apply(this, args)
      // Before the pool sees the reply, and then gives the worker its next task.
      const ended = (...reply: unknown[]): unknown => {
        one?.leaveWorker()
        return Reflect.apply(onEnd, undefined, reply)
      }
      return send.call(this, request, onStart, ended, ...more)
    }
  })
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

/** The file that a call is about: jest has its path in an object. */
function fileIn([first]: readonly unknown[]): string {
  if (!isObject(first)) return ''
  const path: unknown = Object.getOwnPropertyDescriptor(first, 'path')?.value
  return typeof path === 'string' ? path : ''
}

function areSame(a: unknown, b: readonly unknown[]): boolean {
  return Array.isArray(a) && a.length === b.length && b.every((each, at) => Object.is(each, a[at]))
}
