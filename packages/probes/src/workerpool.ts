/**
 * workerpool: found when its module is loaded, and known by the method of its pools that submits.
 * It posts `{ id, method, params }`, and `{ id, result, error }` back.
 */
import { CallTask, type CallLibrary, type CallTracker } from './call-tracker.js'
import { seeModules } from './modules.js'
import { isObject, type Method } from './patches.js'
import { Pools, type PoolFacts } from './pool.js'

const KIND = 'workerpool'

/** The parts of a pool that are looked at. */
interface WorkerPool {
  readonly minWorkers?: number
  readonly maxWorkers?: number
  readonly workers?: readonly unknown[]
}

export const workerpool: CallLibrary = {
  kind: KIND,
  depth: 2,
  callIn(message) {
    if (!('method' in message && 'params' in message)) return undefined
    const { id: key, method: name, params: args } = message as { id?: unknown } & typeof message
    return typeof key === 'number' && typeof name === 'string' ? { key, name, args } : undefined
  },
  replyIn(message) {
    if (!('result' in message && 'error' in message)) return undefined
    const { id: key, error } = message as { id?: unknown; error: unknown }
    return typeof key === 'number' ? { key, hasFailed: error !== undefined && error !== null } : undefined
  },
  watch(tracker) {
    const pools = new Pools<WorkerPool>(factsOf)
    tracker.patches.add(
      seeModules(/workerpool/, (exports) => tracker.attempt(() => watchModule(tracker, pools, exports))),
    )
  },
}

/** The class of pools is only seen in those that the module makes. */
function watchModule(tracker: CallTracker, pools: Pools<WorkerPool>, exports: object): void {
  const { pool, worker } = exports as { pool?: unknown; worker?: unknown }
  if (typeof pool !== 'function' || typeof worker !== 'function') return
  const execMethod = (exec: Method): Method => watchedExec(tracker, pools, exec)
  tracker.patches.replace(exports, ['pool'], (make) => {
    return function (...args) {
      const made = make.apply(this, args)
      tracker.attempt(() => {
        if (isObject(made)) tracker.patches.replace(Object.getPrototypeOf(made), ['exec'], execMethod)
      })
      return made
    }
  })
}

function watchedExec(tracker: CallTracker, pools: Pools<WorkerPool>, exec: Method): Method {
  /** The name of the function that is sent as text, by the second call that this makes. */
  let functionName = ''
  return function (...args) {
    const [method, params] = args
    if (typeof method !== 'string') {
      functionName = typeof method === 'function' ? nameOf(method) : ''
      try {
        return exec.apply(this, args)
      } finally {
        functionName = ''
      }
    }
    const name = method === 'run' && functionName !== '' ? functionName : method
    functionName = ''
    const { result, one } = tracker.submitting(
      () =>
        new CallTask(pools.of(this, KIND), KIND, name, (call) => {
          return call.name === method && call.args === params
        }),
      () => exec.apply(this, args),
    )
    if (one !== undefined) followResult(tracker, one, result)
    return result
  }
}

/** workerpool's promises are its own: nothing is told of one that nobody handles. */
function followResult(tracker: CallTracker, one: CallTask, result: unknown): void {
  if (!hasThen(result)) return
  const done = (hasFailed: boolean) => (): void => tracker.attempt(() => tracker.handle(one, hasFailed))
  result.then(done(false), done(true))
}

function factsOf({ minWorkers = 0, maxWorkers = 0, workers = [] }: WorkerPool): PoolFacts {
  return { minThreads: minWorkers, maxThreads: maxWorkers, tasksPerThread: 1, threads: workers.length }
}

function nameOf(method: object): string {
  const { value }: { value?: unknown } = Object.getOwnPropertyDescriptor(method, 'name') ?? {}
  return typeof value === 'string' && value !== '' ? value : 'run'
}

function hasThen(value: unknown): value is { then(done: () => void, failed: () => void): unknown } {
  return isObject(value) && 'then' in value && typeof value.then === 'function'
}
