/**
 * workerpool: found when its module is loaded, and known by the method of its pools that submits.
 * It posts `{ id, method, params }`, and `{ id, result, error }` back. What it sends to a child
 * process is seen by the method of its workers that sends.
 */
import { CallTask, type CallLibrary, type CallTracker } from './call-tracker.js'
import { taskName } from './envelope.js'
import { seeModules } from './modules.js'
import { isObject, type Method } from './patches.js'
import { Pools, type PoolFacts } from './pool.js'

const KIND = 'workerpool'
const RUN = 'run'
/** An absolute path, or a URL of one, and no text of a function. */
const PATH = /^(?:\/|[A-Za-z]:[\\/]|file:\/\/\/)[^\n*]+$/
const LONGEST_PATH = 4096
/** The method of a pool that makes its workers. */
const MAKE_WORKER = '_createWorkerHandler'

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
  tracker.patches.replace(exports, ['pool'], (make) => {
    return function (...args) {
      const made = make.apply(this, args)
      tracker.attempt(() => {
        if (!isObject(made)) return
        // Those that it has already.
        for (const one of (made as WorkerPool).workers ?? []) watchWorker(tracker, one)
        tracker.patches.replace(Object.getPrototypeOf(made), ['exec', MAKE_WORKER], (method, called) =>
          called === MAKE_WORKER ? watchedWorkers(tracker, method) : watchedExec(tracker, pools, method),
        )
      })
      return made
    }
  })
}

/** The class of its workers is only seen in these. */
function watchedWorkers(tracker: CallTracker, make: Method): Method {
  return function (...args) {
    const made = make.apply(this, args)
    tracker.attempt(() => watchWorker(tracker, made))
    return made
  }
}

function watchWorker(tracker: CallTracker, worker: unknown): void {
  if (!isObject(worker)) return
  tracker.patches.replace(Object.getPrototypeOf(worker), ['exec'], (exec) => watchedGiving(tracker, exec))
}

/** A worker in a child process gets a call. It may not be ready yet. */
function watchedGiving(tracker: CallTracker, exec: Method): Method {
  return function (...args) {
    const [name, params, resolver] = args
    tracker.attempt(() => {
      const { worker } = this as { worker?: { isChildProcess?: unknown } }
      if (worker?.isChildProcess !== true || typeof name !== 'string') return
      const one = tracker.sentToProcess(workerpool, { key: undefined, name, args: params })
      const { promise } = resolver as { promise?: unknown }
      if (one === undefined || !hasThen(promise)) return
      // Before the pool hears of the result, and then gives the worker its next task.
      const leave = (): void => one.leaveWorker()
      promise.then(leave, leave)
    })
    return exec.apply(this, args)
  }
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
    const { name, file } = whatRuns(method, params, functionName)
    functionName = ''
    const { result, one } = tracker.submitting(
      () =>
        new CallTask(
          pools.of(this, KIND),
          KIND,
          name,
          (call) => call.name === method && call.args === params,
          file,
        ),
      () => exec.apply(this, args),
    )
    if (one !== undefined) followResult(tracker, one, result)
    return result
  }
}

/**
 * What a task is called. The method `run` says little: it is workerpool's own for a function that
 * is sent as text, and that of programs whose workers run files, mocha for one.
 */
function whatRuns(method: string, params: unknown, functionName: string): { name: string; file: string } {
  if (method !== RUN) return { name: method, file: '' }
  if (functionName !== '') return { name: functionName, file: '' }
  const [file]: readonly unknown[] = Array.isArray(params) ? params : []
  if (typeof file !== 'string' || file.length > LONGEST_PATH || !PATH.test(file))
    return { name: method, file: '' }
  return { name: taskName(file, 'default'), file }
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
