/**
 * Pools as the thread sees them that submits tasks: piscina and tinypool.
 *
 * Both make an `AsyncResource` of a type of its own for each task (`Piscina.Task`), and their pools
 * are an `EventEmitterAsyncResource`. These two classes of Node are replaced by ones that see what
 * is constructed. So no module has to be found: a pool is seen as CommonJS, as an ES module, in
 * whatever folder, and in a bundle.
 */
import asyncHooks from 'node:async_hooks'
import events from 'node:events'
import { inspect } from 'node:util'
import type { MessagePort } from 'node:worker_threads'
import { seeConstructed } from './constructed.js'
import { setNumber, SORT, taskName, type TaskEnvelope } from './envelope.js'
import { nextTaskId, Pool, type PoolFacts } from './pool.js'
import type { PortPeers } from './port-peers.js'
import type { ProbeContext } from './probe.js'
import type { PortTap } from './ports.js'
import { dispatched, task, way } from './task-events.js'
import { sizeOf } from './task-size.js'

/** Pools by what they call themselves, and the types of their tasks. */
const KINDS: Readonly<Record<string, string>> = { Piscina: 'piscina', Tinypool: 'tinypool' }
/** The methods of pools that submit a task; `runTask` is piscina's old one. */
const SUBMITTING = ['run', 'runTask'] as const
const TASK_TYPES: readonly unknown[] = ['Piscina.Task', 'Tinypool.Task']
/** A pool's own object. */
interface PoolObject {
  readonly options?: Partial<PoolOptions>
  readonly threads?: readonly unknown[]
}

interface PoolOptions {
  readonly minThreads: number
  readonly maxThreads: number
  readonly concurrentTasksPerWorker: number
  readonly maxQueue: number
}

/** The property of a task's own object in its pool that holds what this probe knows of it. */
const KNOWN = Symbol('rchan task')

/** A task's own object in its pool. */
interface TaskInfo {
  [KNOWN]?: Submitted
  readonly taskId?: number
  readonly filename?: string
  readonly name?: string
  readonly abortSignal?: unknown
}

type State = 'new' | 'queued' | 'dispatched' | 'handled'

/** A task that was submitted. */
interface Submitted {
  readonly id: number
  readonly info: TaskInfo
  readonly pool: Pool | undefined
  state: State
  /**
   * Another task that waits, and has the same number in another pool; of a new one, the next one.
   */
  next: Submitted | undefined
  /** Takes back the listener for its being aborted, which its pool does not tell of. */
  forgetSignal: (() => void) | undefined
}

/** Watches the pools of the calling thread. */
export function watchPools(context: ProbeContext, peers: PortPeers): { tap: PortTap; end: () => void } {
  const pools = new WeakMap<object, Pool>()
  /** What takes back the listeners for tasks that are aborted. */
  const listening = new Set<() => void>()
  /** Prototypes of tasks whose pools are known. */
  const known = new WeakSet<object>()
  /** Tasks that no worker has yet, by their pools' numbers for them. */
  const waiting = new Map<number, Submitted>()
  /** Tasks whose own number is not known yet: the first, linked by `next`, and the last. */
  let fresh: Submitted | undefined
  let freshest: Submitted | undefined
  let current: Pool | undefined
  const undo: (() => void)[] = []

  const poolOf = (pool: object, kind: string): Pool => {
    let found = pools.get(pool)
    if (found === undefined) pools.set(pool, (found = new Pool(kind, looker(pool))))
    return found
  }

  const submit = (info: TaskInfo): void => {
    const one: Submitted = {
      id: nextTaskId(),
      info,
      pool: current,
      state: 'new',
      next: undefined,
      forgetSignal: undefined,
    }
    info[KNOWN] = one
    if (freshest === undefined) fresh = one
    else freshest.next = one
    freshest = one
    // Without a pool that is known, nobody asks for it in this turn.
    if (current === undefined) queueMicrotask(tellFresh)
  }

  const tell = (one: Submitted): void => {
    const { info, pool, id } = one
    const { taskId = -1, filename = '', name = 'default', abortSignal } = info
    one.state = 'queued'
    if (isSignal(abortSignal)) {
      const onAbort = (): void => handle(info, abortSignal.reason ?? 'aborted')
      abortSignal.addEventListener('abort', onAbort, { once: true })
      const forget = (): void => {
        listening.delete(forget)
        abortSignal.removeEventListener('abort', onAbort)
      }
      listening.add(forget)
      one.forgetSignal = forget
    }
    task.begin(id, { pool: pool?.name ?? '', name: taskName(filename, name), file: filename })
    one.next = waiting.get(taskId)
    waiting.set(taskId, one)
    if (pool === undefined) return
    pool.queued += 1
    pool.tell()
  }

  /** Tells of the tasks that were made. They know now what they are. */
  const tellFresh = (): void => {
    if (fresh === undefined) return
    let aborted: TaskInfo[] | undefined
    try {
      let following: Submitted | undefined
      for (let one: Submitted | undefined = fresh; one !== undefined; one = following) {
        following = one.next
        one.next = undefined
        tell(one)
        const { abortSignal } = one.info
        if (isSignal(abortSignal) && abortSignal.aborted) (aborted ??= []).push(one.info)
      }
    } catch (error) {
      context.fail(error)
    }
    fresh = freshest = undefined
    // Their pool has refused them, without a word to the task.
    if (aborted !== undefined) for (const info of aborted) handle(info, 'aborted')
  }

  const leaveQueue = (one: Submitted): void => {
    const { taskId = -1 } = one.info
    let before = waiting.get(taskId)
    if (before === one) {
      if (one.next === undefined) waiting.delete(taskId)
      else waiting.set(taskId, one.next)
    } else {
      while (before !== undefined && before.next !== one) before = before.next
      if (before !== undefined) before.next = one.next
    }
    one.next = undefined
    if (one.pool !== undefined) one.pool.queued -= 1
  }

  const handle = (info: TaskInfo, error: unknown): void => {
    try {
      tellFresh()
      const one = info[KNOWN]
      if (one !== undefined && one.state !== 'handled') leave(one, error !== null && error !== undefined)
    } catch (failure) {
      context.fail(failure)
    }
  }

  const leave = (one: Submitted, hasFailed: boolean): void => {
    const hasRun = one.state === 'dispatched'
    if (!hasRun) leaveQueue(one)
    else if (one.pool !== undefined) one.pool.busy -= 1
    one.state = 'handled'
    one.forgetSignal?.()
    if (hasRun) way.end(one.id)
    if (hasFailed) task.fail(one.id)
    else task.end(one.id)
    context.threadList.countTask(hasFailed)
    one.pool?.tell()
  }

  /** Ends a task that its pool has refused. */
  const refuse = (pool: object, one: Submitted, result: unknown): void => {
    try {
      if (one.pool === undefined || one.pool !== pools.get(pool)) return
      if (hasRefused(pool, one.pool.queued, result)) handle(one.info, 'refused')
    } catch (error) {
      context.fail(error)
    }
  }

  const patchTask = once((prototype) => {
    const { done } = prototype
    if (typeof done !== 'function') return
    prototype.done = function (this: object, ...args) {
      try {
        return done.apply(this, args)
      } finally {
        handle(this, args[0])
      }
    }
    undo.push(() => {
      prototype.done = done
    })
  })
  const patchPool = once((prototype, kind: string) => {
    for (const name of SUBMITTING) patchSubmitting(prototype, name, kind)
  })
  const patchSubmitting = (prototype: Patched, name: (typeof SUBMITTING)[number], kind: string): void => {
    const run = prototype[name]
    if (typeof run !== 'function') return
    prototype[name] = function (this: object, ...args) {
      const before = current
      try {
        current = poolOf(this, kind)
      } catch (error) {
        context.fail(error)
      }
      let result: unknown
      try {
        return (result = run.apply(this, args))
      } finally {
        current = before
        const made = freshest
        tellFresh()
        if (made?.state === 'queued') refuse(this, made, result)
      }
    }
    undo.push(() => {
      prototype[name] = run
    })
  }

  undo.push(
    seeConstructed(events, 'EventEmitterAsyncResource', (_made, args, newTarget) => {
      try {
        // Pools say it themselves. Their class may have another name, from a bundler.
        const kind = kindIn(args[0])
        const prototype = kind === undefined ? undefined : ownerOfRun(newTarget)
        if (kind !== undefined && prototype !== undefined) patchPool(prototype, kind)
      } catch (error) {
        context.fail(error)
      }
    }),
    seeConstructed(asyncHooks, 'AsyncResource', (made, args, newTarget) => {
      if (!TASK_TYPES.includes(args[0])) return
      try {
        const prototype = newTarget.prototype as object
        // What a pool does on its own account, tinypool's teardown, is none of the program's tasks.
        if (current !== undefined) known.add(prototype)
        else if (known.has(prototype)) return
        patchTask(prototype)
        submit(made)
      } catch (error) {
        context.fail(error)
      }
    }),
  )

  const tap: PortTap = {
    posting(port, message, sort, transferred) {
      try {
        if (transferred.length > 0) peers.sent(port, transferred)
        if (sort === SORT.task) dispatch(port, message as TaskEnvelope, transferred)
      } catch (error) {
        context.fail(error)
      }
    },
  }
  const dispatch = (port: MessagePort, envelope: TaskEnvelope, transferred: readonly unknown[]): void => {
    tellFresh()
    const first = waiting.get(envelope.taskId)
    let one = first
    while (one !== undefined && one.info.filename !== envelope.filename) one = one.next
    one ??= first
    if (one === undefined) return
    leaveQueue(one)
    one.state = 'dispatched'
    if (one.pool !== undefined) one.pool.busy += 1
    setNumber(envelope, one.id)
    dispatched({
      id: one.id,
      pool: one.pool?.name ?? '',
      threadId: peers.threadOf(port) ?? 0,
      size: sizeOf(envelope.task, transferred),
    })
    way.start(one.id)
    one.pool?.tell()
  }
  return {
    tap,
    end: () => {
      for (const forget of listening) forget()
      for (const each of undo.splice(0).toReversed()) each()
    },
  }
}

/** What a pool calls itself when it is constructed. */
function kindIn(options: unknown): string | undefined {
  if (typeof options !== 'object' || options === null) return undefined
  const { name } = options as { name?: unknown }
  return typeof name === 'string' && Object.hasOwn(KINDS, name) ? KINDS[name] : undefined
}

/** The prototype of a pool: a program may have a class of its own on top. */
function ownerOfRun(made: unknown): object | undefined {
  let owner: object | undefined
  for (let each = made; typeof each === 'function'; each = Object.getPrototypeOf(each)) {
    const { prototype } = each as { prototype?: object }
    if (prototype !== undefined && Object.hasOwn(prototype, 'run')) owner = prototype
  }
  return owner
}

/** Most tasks have none. */
function isSignal(value: unknown): value is AbortSignal {
  return value !== null && value !== undefined && value instanceof AbortSignal
}

/** Returns a function that asks a pool, and does not keep it alive. */
function looker(pool: PoolObject): () => PoolFacts {
  const kept = new WeakRef(pool)
  return () => {
    const { options, threads } = kept.deref() ?? {}
    const { minThreads = 0, maxThreads = 0, concurrentTasksPerWorker = 1 } = options ?? {}
    return { minThreads, maxThreads, tasksPerThread: concurrentTasksPerWorker, threads: threads?.length ?? 0 }
  }
}

/**
 * Whether a pool has refused a task because its queue is full. It tells that to nobody but the
 * caller, by a promise that is rejected already. Asking it for its state takes some µs, so only a
 * pool is asked that limits its queue.
 */
function hasRefused({ options }: PoolObject, queued: number, result: unknown): boolean {
  const { maxQueue = Infinity } = options ?? {}
  // With this one. To ask a promise takes 10 µs.
  if (queued <= maxQueue) return false
  return /^Promise \{\s*<rejected>/.test(inspect(result, { depth: 0, customInspect: false }))
}

/** Makes a function that does its work once for each prototype. */
function once<A extends unknown[]>(
  patch: (prototype: Patched, ...args: A) => void,
): (prototype: object, ...args: A) => void {
  const done = new WeakSet<object>()
  return (prototype, ...args) => {
    if (done.has(prototype)) return
    done.add(prototype)
    patch(prototype, ...args)
  }
}

/** The methods that are replaced: of tasks, of pools. */
interface Patched {
  done?: (...args: unknown[]) => unknown
  run?: (...args: unknown[]) => unknown
  runTask?: (...args: unknown[]) => unknown
}
