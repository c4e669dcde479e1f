/**
 * poolifier: makes an `AsyncResource` for each task, whose trigger is its pool's emitter. It posts
 * `{ taskId, name, data, timestamp, … }`, and `{ taskId, data | workerError, … }` back.
 */
import asyncHooks from 'node:async_hooks'
import events from 'node:events'
import { CallTask, type CallLibrary, type CallTracker } from './call-tracker.js'
import { seeConstructed } from './constructed.js'
import { Pool, type PoolFacts } from './pool.js'
import { tapPorts } from './ports.js'

const KIND = 'poolifier'
const RESOURCE = 'poolifier:task'
const EMITTER = /^poolifier:/
// As they are now: the program may replace them.
const { performance } = globalThis
const nowMs = performance.now.bind(performance)

export const poolifier: CallLibrary = {
  kind: KIND,
  depth: 1,
  callIn(message) {
    if (!('taskId' in message && 'timestamp' in message && 'data' in message)) return undefined
    const { taskId: key, timestamp, data: args } = message
    const { name = 'default' } = message as { name?: unknown }
    if (typeof key !== 'string' || typeof timestamp !== 'number' || typeof name !== 'string') return undefined
    return { key, name, args, timestamp }
  },
  replyIn(message) {
    const { taskId: key, error, workerError } = message as Record<string, unknown>
    if (typeof key !== 'string') return undefined
    return { key, hasFailed: (error ?? workerError ?? undefined) !== undefined }
  },
  watch(tracker) {
    const watch = new PoolifierWatch(tracker)
    tracker.patches.add(
      seeConstructed(events, 'EventEmitterAsyncResource', (made, [options]) =>
        tracker.attempt(() => watch.emitterMade(made as { asyncId: number }, options)),
      ),
    )
    tracker.patches.add(
      seeConstructed(asyncHooks, 'AsyncResource', (made, [type, options]) => {
        if (type !== RESOURCE) return
        tracker.attempt(() => watch.taskMade(made as { emitDestroy: () => unknown }, options))
      }),
    )
  },
}

class PoolifierWatch {
  readonly #tracker: CallTracker
  /** Pools by the ids of their emitters. */
  readonly #pools = new Map<unknown, Pool>()
  /** How many workers the pool has started that was made last. */
  #newest: { threads: number } | undefined

  constructor(tracker: CallTracker) {
    this.#tracker = tracker
  }

  emitterMade({ asyncId }: { asyncId: number }, options: unknown): void {
    const { name } = (options ?? {}) as { name?: unknown }
    if (typeof name !== 'string' || !EMITTER.test(name)) return
    if (this.#newest === undefined) this.#tracker.patches.add(tapPorts({ posting: this.#countStart }))
    const started = { threads: 0 }
    this.#newest = started
    const look = (): PoolFacts => {
      const { threads } = started
      return { minThreads: threads, maxThreads: threads, tasksPerThread: 1, threads }
    }
    this.#pools.set(asyncId, new Pool(KIND, look))
  }

  taskMade(resource: { emitDestroy: () => unknown }, options: unknown): void {
    const { triggerAsyncId } = (options ?? {}) as { triggerAsyncId?: unknown }
    const pool = this.#pools.get(triggerAsyncId)
    if (pool === undefined) return
    const tracker = this.#tracker
    const time = nowMs()
    // Its time was taken before, that of the next task after: the first that fits is the one.
    const one = new CallTask(pool, KIND, '', ({ timestamp }) => Number(timestamp) <= time)
    tracker.submit(one)
    queueMicrotask(() => tracker.attempt(() => tracker.tell(one)))
    const { emitDestroy } = resource
    // The last that it does with a task, after the reply was handed out.
    Object.defineProperty(resource, 'emitDestroy', {
      value(this: unknown) {
        tracker.attempt(() => tracker.handle(one, one.hasFailed))
        return emitDestroy.call(this as never)
      },
      writable: true,
      configurable: true,
    })
  }

  readonly #countStart = (_port: unknown, message: unknown): void => {
    if (this.#newest !== undefined && isStart(message)) this.#newest.threads += 1
  }
}

/** Whether poolifier starts a worker with it: its port for tasks. */
function isStart(message: unknown): boolean {
  if (typeof message !== 'object' || message === null || !('ready' in message)) return false
  return message.ready === false && 'port' in message && 'workerId' in message
}
