/**
 * Pools whose tasks are calls of a function by its name, as the thread sees them that submits:
 * workerpool, jest-worker, poolifier.
 *
 * workerpool and jest-worker are found when their modules are loaded, and the methods of their
 * pools replaced by which tasks are submitted. poolifier makes an `AsyncResource` for each task.
 * Which message carries which task is told by what the pool puts into it: the arguments
 * themselves, or the time.
 */
import asyncHooks from 'node:async_hooks'
import events from 'node:events'
import type { MessagePort } from 'node:worker_threads'
import { seeConstructed } from './constructed.js'
import { callIn, numberIn, replyIn, setNumber, type Call } from './envelope.js'
import { seeModules } from './modules.js'
import { nextTaskId, Pool, type PoolFacts } from './pool.js'
import type { PortPeers } from './port-peers.js'
import { attempt, type ProbeContext } from './probe.js'
import type { PortTap } from './ports.js'
import { dispatched, task, way } from './task-events.js'
import { sizeOf } from './task-size.js'

const MODULES = /workerpool|jest-worker/
const RESOURCE = 'poolifier:task'
const EMITTER = /^poolifier:/
// As they are now: the program may replace them.
const { performance } = globalThis
const nowMs = performance.now.bind(performance)

type State = 'new' | 'queued' | 'dispatched' | 'handled'

/** A task that was submitted. */
interface Submitted {
  readonly id: number
  readonly kind: Call['kind']
  readonly pool: Pool
  readonly isCarriedBy: (call: Call) => boolean
  name: string
  state: State
  /** Whether a worker is at it: until its reply is here. */
  isBusy: boolean
  hasFailed: boolean
}

type Method = (this: object, ...args: unknown[]) => unknown

/** The parts of a pool that are looked at. */
interface PoolObject {
  readonly minWorkers?: number
  readonly maxWorkers?: number
  readonly workers?: readonly unknown[]
  readonly _options?: { readonly numWorkers?: number }
  readonly _workerPool?: { readonly getWorkers?: () => readonly unknown[] }
}

/** Watches the pools of the calling thread. */
export function watchCalls(context: ProbeContext, peers: PortPeers): { tap: PortTap; end: () => void } {
  const pools = new WeakMap<object, Pool>()
  const patched = new WeakSet<object>()
  /** Tasks that no worker has yet, in the order of their submission. */
  const waiting: Submitted[] = []
  /** Tasks that workers have, by what their replies will have. */
  const flights = new WeakMap<MessagePort, Map<unknown, Submitted>>()
  let hasFlights = false
  const undo: (() => void)[] = []

  const submit = (
    pool: Pool,
    kind: Call['kind'],
    name: string,
    isCarriedBy: Submitted['isCarriedBy'],
  ): Submitted => {
    const one: Submitted = {
      id: nextTaskId(),
      kind,
      pool,
      isCarriedBy,
      name,
      state: 'new',
      isBusy: false,
      hasFailed: false,
    }
    waiting.push(one)
    pool.queued += 1
    return one
  }

  const tell = (one: Submitted): void => {
    if (one.state !== 'new') return
    one.state = 'queued'
    task.begin(one.id, { pool: one.pool.name, name: one.name, file: '' })
    one.pool.tell()
  }

  const leaveQueue = (one: Submitted): void => {
    const at = waiting.indexOf(one)
    if (at >= 0) waiting.splice(at, 1)
    one.pool.queued -= 1
  }

  const handle = (one: Submitted, hasFailed: boolean): void => {
    if (one.state === 'handled') return
    tell(one)
    if (one.state === 'dispatched') {
      if (one.isBusy) one.pool.busy -= 1
      one.isBusy = false
      way.end(one.id)
    } else {
      leaveQueue(one)
    }
    one.state = 'handled'
    if (hasFailed) task.fail(one.id)
    else task.end(one.id)
    context.threadList.countTask(hasFailed)
    one.pool.tell()
  }

  const poolOf = (pool: object, kind: Call['kind'], look: (pool: PoolObject) => PoolFacts): Pool => {
    let found = pools.get(pool)
    if (found === undefined) {
      const kept = new WeakRef<PoolObject>(pool)
      pools.set(pool, (found = new Pool(kind, () => look(kept.deref() ?? {}))))
    }
    return found
  }

  /** Replaces the method of a pool that submits a task. */
  const patch = (
    prototype: Record<string, unknown>,
    name: string,
    make: (original: Method) => Method,
  ): void => {
    const original = prototype[name]
    if (patched.has(prototype) || typeof original !== 'function') return
    patched.add(prototype)
    const replacement = make(original as Method)
    prototype[name] = replacement
    undo.push(() => {
      if (prototype[name] === replacement) prototype[name] = original
    })
  }

  /** Calls the original method for a task, which may be dispatched before it returns. */
  const around = <T>(start: () => Submitted, call: () => T): { result: T; one: Submitted | undefined } => {
    let one: Submitted | undefined
    attempt(context, () => tell((one = start())))
    try {
      return { result: call(), one }
    } catch (error) {
      attempt(context, () => {
        if (one !== undefined) handle(one, true)
      })
      throw error
    }
  }

  const patchWorkerpool = (prototype: Record<string, unknown>): void => {
    /** The name of the function that is sent as text, by the second call that this makes. */
    let functionName = ''
    patch(prototype, 'exec', (exec) => {
      return function (this: object, ...args) {
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
        const { result, one } = around(
          () =>
            submit(poolOf(this, 'workerpool', workerpoolFacts), 'workerpool', name, (call) => {
              return call.name === method && call.args === params
            }),
          () => exec.apply(this, args),
        )
        // Its promises are its own: nothing is told of one that nobody handles.
        if (one !== undefined && hasThen(result)) {
          const done = (hasFailed: boolean) => (): void => attempt(context, () => handle(one, hasFailed))
          result.then(done(false), done(true))
        }
        return result
      }
    })
  }

  const patchJestWorker = (prototype: Record<string, unknown>): void => {
    patch(prototype, '_callFunctionWithArgs', (call) => {
      return function (this: object, ...args) {
        const [method, ...given] = args
        const { result, one } = around(
          () =>
            submit(poolOf(this, 'jest-worker', jestFacts), 'jest-worker', String(method), (carried) => {
              return carried.name === method && areSame(carried.args, given)
            }),
          () => call.apply(this, args),
        )
        if (one === undefined || !(result instanceof Promise)) return result
        // The program gets a promise of its own: a listener on the pool's one would hide that the
        // program does not handle a rejection.
        const watched = result.then(
          (value: unknown) => {
            attempt(context, () => handle(one, false))
            return value
          },
          (error: unknown) => {
            attempt(context, () => handle(one, true))
            throw error
          },
        )
        return Object.defineProperties(watched, Object.getOwnPropertyDescriptors(result))
      }
    })
  }

  undo.push(
    seeModules(MODULES, (exports) =>
      attempt(context, () => {
        const { Worker, pool, worker } = exports as { Worker?: unknown; pool?: unknown; worker?: unknown }
        const prototype: unknown = typeof Worker === 'function' ? Worker.prototype : undefined
        if (isRecord(prototype) && '_callFunctionWithArgs' in prototype) patchJestWorker(prototype)
        if (typeof pool !== 'function' || typeof worker !== 'function' || patched.has(exports)) return
        patched.add(exports)
        // Its class is only seen in the pools that it makes.
        const make = pool as Method
        const making = function (this: object, ...args: unknown[]): unknown {
          const made = make.apply(this, args)
          attempt(context, () => {
            if (isRecord(made)) patchWorkerpool(Object.getPrototypeOf(made) as Record<string, unknown>)
          })
          return made
        }
        Object.defineProperty(making, 'name', { value: make.name, configurable: true })
        Object.defineProperty(making, 'length', { value: make.length, configurable: true })
        Object.assign(exports, { pool: making })
        undo.push(() => {
          if ((exports as { pool?: unknown }).pool === making) Object.assign(exports, { pool: make })
        })
      }),
    ),
  )

  /** Pools of poolifier by the ids of their emitters, and how many workers each has started. */
  const emitters = new Map<unknown, { pool: Pool; threads: number }>()
  let lastEmitter: { threads: number } | undefined
  undo.push(
    seeConstructed(events, 'EventEmitterAsyncResource', (made, [options]) =>
      attempt(context, () => {
        const { name } = (options ?? {}) as { name?: unknown }
        if (typeof name !== 'string' || !EMITTER.test(name)) return
        const found = { threads: 0 }
        const facts = (): PoolFacts => {
          const { threads } = found
          return { minThreads: threads, maxThreads: threads, tasksPerThread: 1, threads }
        }
        lastEmitter = found
        emitters.set(
          (made as { asyncId: number }).asyncId,
          Object.assign(found, { pool: new Pool('poolifier', facts) }),
        )
      }),
    ),
    seeConstructed(asyncHooks, 'AsyncResource', (made, [type, options]) => {
      if (type !== RESOURCE) return
      attempt(context, () => {
        const { triggerAsyncId } = (options ?? {}) as { triggerAsyncId?: unknown }
        const pool = emitters.get(triggerAsyncId)?.pool
        if (pool === undefined) return
        const time = nowMs()
        // Its time was taken before, that of the next task after: the first that fits is the one.
        const one = submit(pool, 'poolifier', '', ({ timestamp }) => Number(timestamp) <= time)
        queueMicrotask(() => attempt(context, () => tell(one)))
        const resource = made as { emitDestroy: () => unknown }
        const { emitDestroy } = resource
        // The last that it does with a task, after the reply was handed out.
        Object.defineProperty(resource, 'emitDestroy', {
          value(this: unknown) {
            attempt(context, () => handle(one, one.hasFailed))
            return emitDestroy.call(this as never)
          },
          writable: true,
          configurable: true,
        })
      })
    }),
  )

  const posting = (port: MessagePort, message: unknown, transferred: readonly unknown[]): void => {
    if (lastEmitter !== undefined && isStart(message)) lastEmitter.threads += 1
    if (waiting.length === 0) return
    const call = callIn(message)
    // One that was posted before is a call that is tried again.
    if (call === undefined || numberIn(message) !== undefined) return
    const one = waiting.find((each) => each.kind === call.kind && each.isCarriedBy(call))
    if (one === undefined) return
    if (one.name === '') one.name = call.name
    tell(one)
    leaveQueue(one)
    one.state = 'dispatched'
    one.isBusy = true
    one.pool.busy += 1
    setNumber(call.envelope, one.id)
    let flying = flights.get(port)
    if (flying === undefined) flights.set(port, (flying = new Map()))
    hasFlights = true
    flying.set(call.key, one)
    dispatched({
      id: one.id,
      pool: one.pool.name,
      threadId: peers.threadOf(port) ?? 0,
      size: sizeOf(call.args, transferred, call.kind === 'poolifier' ? 1 : 2),
    })
    way.start(one.id)
    one.pool.tell()
  }
  const tap: PortTap = {
    posting(port, message, _sort, transferred) {
      try {
        posting(port, message, transferred)
      } catch (error) {
        context.fail(error)
      }
    },
    // Before the pool sees it, which then gives the worker its next task.
    receiving: (port, message) => {
      const flying = hasFlights ? flights.get(port) : undefined
      if (flying === undefined || flying.size === 0) return
      const reply = replyIn(message)
      const one = reply === undefined ? undefined : flying.get(reply.key)
      if (reply === undefined || one === undefined) return
      flying.delete(reply.key)
      one.hasFailed = reply.hasFailed
      if (one.isBusy) one.pool.busy -= 1
      one.isBusy = false
    },
  }
  return {
    tap,
    end: () => {
      for (const each of undo.splice(0).toReversed()) each()
    },
  }
}

function workerpoolFacts({ minWorkers = 0, maxWorkers = 0, workers = [] }: PoolObject): PoolFacts {
  return {
    minThreads: minWorkers,
    maxThreads: maxWorkers,
    tasksPerThread: 1,
    threads: workers.length,
  }
}

function jestFacts({ _options = {}, _workerPool }: PoolObject): PoolFacts {
  const threads = _workerPool?.getWorkers?.().length ?? 0
  const { numWorkers = threads } = _options
  return { minThreads: numWorkers, maxThreads: numWorkers, tasksPerThread: 1, threads }
}

/** Whether poolifier starts a worker with it: its port for tasks. */
function isStart(message: unknown): boolean {
  if (typeof message !== 'object' || message === null || !('ready' in message)) return false
  return message.ready === false && 'port' in message && 'workerId' in message
}

function areSame(a: unknown, b: readonly unknown[]): boolean {
  return Array.isArray(a) && a.length === b.length && b.every((each, at) => Object.is(each, a[at]))
}

function nameOf(method: object): string {
  const { value }: { value?: unknown } = Object.getOwnPropertyDescriptor(method, 'name') ?? {}
  return typeof value === 'string' && value !== '' ? value : 'run'
}

function hasThen(value: unknown): value is { then(done: () => void, failed: () => void): unknown } {
  return isRecord(value) && typeof value.then === 'function'
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
