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
import { setNumber, SORT, type Sort, type TaskEnvelope } from './envelope.js'
import { Patches, type Method } from './patches.js'
import { PiscinaTask, TaskList, WaitingTasks, type TaskInfo } from './piscina-task.js'
import { Pools, type Pool, type PoolFacts } from './pool.js'
import type { PortPeers } from './port-peers.js'
import type { ProbeContext } from './probe.js'
import type { PortTap } from './ports.js'
import { tellArguments } from './task-arguments.js'
import { sizeOf } from './task-size.js'

/** Pools by what they call themselves. */
export const PISCINA_KINDS: Readonly<Record<string, string>> = { Piscina: 'piscina', Tinypool: 'tinypool' }
/** The types of their tasks. */
const TASK_TYPES: readonly unknown[] = ['Piscina.Task', 'Tinypool.Task']
/** The methods of pools that submit a task; `runTask` is piscina's old one. */
const SUBMITTING: readonly string[] = ['run', 'runTask']
/** The method of a task by which its pool tells it its result. */
const HANDLING: readonly string[] = ['done']

/** A pool's own object. */
interface PoolObject {
  readonly options?: {
    readonly minThreads?: number
    readonly maxThreads?: number
    readonly concurrentTasksPerWorker?: number
    readonly maxQueue?: number
  }
  readonly threads?: readonly unknown[]
}

/** Watches the pools of the calling thread. */
export class PiscinaPools implements PortTap {
  readonly #context: ProbeContext
  readonly #peers: PortPeers
  readonly #pools = new Pools<PoolObject>(factsOf)
  readonly #patches = new Patches()
  /** Prototypes of tasks whose pools are known. */
  readonly #known = new WeakSet<object>()
  /** Tasks that were constructed and have no properties yet. */
  readonly #fresh = new TaskList()
  readonly #waiting = new WaitingTasks()
  /** Tasks that can be aborted. */
  readonly #abortable = new Set<PiscinaTask>()
  /** The pool whose method runs that submits a task. */
  #submitting: Pool | undefined

  constructor(context: ProbeContext, peers: PortPeers) {
    this.#context = context
    this.#peers = peers
    this.#patches.add(
      seeConstructed(events, 'EventEmitterAsyncResource', (_made, args, newTarget) => {
        try {
          this.#poolMade(args[0], newTarget)
        } catch (error) {
          context.fail(error)
        }
      }),
    )
    this.#patches.add(
      seeConstructed(asyncHooks, 'AsyncResource', (made, args, newTarget) => {
        if (!TASK_TYPES.includes(args[0])) return
        try {
          this.#taskMade(made, newTarget.prototype as object)
        } catch (error) {
          context.fail(error)
        }
      }),
    )
  }

  posting(port: MessagePort, message: unknown, sort: Sort, transferred: readonly unknown[]): void {
    try {
      if (transferred.length > 0) this.#peers.sent(port, transferred)
      if (sort === SORT.task) this.#dispatch(port, message as TaskEnvelope, transferred)
    } catch (error) {
      this.#context.fail(error)
    }
  }

  end(): void {
    for (const one of this.#abortable) one.forgetSignal()
    this.#abortable.clear()
    this.#patches.end()
  }

  /** Pools say themselves what they are. Their class may have another name, from a bundler. */
  #poolMade(options: unknown, made: unknown): void {
    const kind = kindIn(options)
    const prototype = kind === undefined ? undefined : ownerOfRun(made)
    if (kind === undefined || prototype === undefined) return
    this.#patches.replace(prototype, SUBMITTING, (run) => this.#submittingMethod(run, kind))
  }

  #submittingMethod(run: Method, kind: string): Method {
    const enter = (pool: object): Pool | undefined => this.#enter(pool, kind)
    const leave = (pool: object, before: Pool | undefined, result: unknown): void =>
      this.#leave(pool, before, result)
    return function (...args) {
      const before = enter(this)
      let result: unknown
      try {
        return (result = run.apply(this, args))
      } finally {
        leave(this, before, result)
      }
    }
  }

  /** A pool is about to submit a task. @returns the pool for which that was so before. */
  #enter(pool: object, kind: string): Pool | undefined {
    const before = this.#submitting
    try {
      this.#submitting = this.#pools.of(pool, kind)
    } catch (error) {
      this.#context.fail(error)
    }
    return before
  }

  /** It has done so, or refused it. */
  #leave(pool: object, before: Pool | undefined, result: unknown): void {
    this.#submitting = before
    const made = this.#fresh.last
    this.#tellFresh()
    if (made?.state !== 'queued') return
    try {
      if (made.pool === undefined || made.pool !== this.#pools.find(pool)) return
      if (hasRefused(pool, made.pool.queued, result)) this.#handle(made.info, 'refused')
    } catch (error) {
      this.#context.fail(error)
    }
  }

  #taskMade(info: TaskInfo, prototype: object): void {
    const pool = this.#submitting
    // What a pool does on its own account, tinypool's teardown, is none of the program's tasks.
    if (pool !== undefined) this.#known.add(prototype)
    else if (this.#known.has(prototype)) return
    this.#patches.replace(prototype, HANDLING, this.#handlingMethod)
    this.#fresh.push(new PiscinaTask(info, pool))
    // Without a pool that is known, nobody asks for it in this turn.
    if (pool === undefined) queueMicrotask(() => this.#tellFresh())
  }

  readonly #handlingMethod = (done: Method): Method => {
    const handle = (info: TaskInfo, error: unknown): void => this.#handle(info, error)
    return function (...args) {
      try {
        return done.apply(this, args)
      } finally {
        handle(this, args[0])
      }
    }
  }

  /** Tells of the tasks that were made. They know now what they are. */
  #tellFresh(): void {
    let one = this.#fresh.takeAll()
    if (one === undefined) return
    let aborted: TaskInfo[] | undefined
    try {
      while (one !== undefined) {
        const { next }: { next: PiscinaTask | undefined } = one
        this.#tell(one)
        if (one.isAborted) (aborted ??= []).push(one.info)
        one = next
      }
    } catch (error) {
      this.#context.fail(error)
    }
    // Their pool has refused them, without a word to the task.
    if (aborted !== undefined) for (const info of aborted) this.#handle(info, 'aborted')
  }

  #tell(one: PiscinaTask): void {
    if (one.onAbort((reason) => this.#handle(one.info, reason))) this.#abortable.add(one)
    this.#waiting.add(one)
    one.tell()
  }

  #dispatch(port: MessagePort, envelope: TaskEnvelope, transferred: readonly unknown[]): void {
    this.#tellFresh()
    const one = this.#waiting.carriedBy(envelope)
    if (one === undefined) return
    this.#waiting.remove(one)
    setNumber(envelope, one.id)
    one.dispatch(this.#peers.threadOf(port) ?? 0, sizeOf(envelope.task, transferred))
    tellArguments(one.id, envelope.task, false)
  }

  #handle(info: TaskInfo, error: unknown): void {
    try {
      this.#tellFresh()
      const one = PiscinaTask.of(info)
      if (one === undefined || one.state === 'handled') return
      if (one.state === 'queued') this.#waiting.remove(one)
      if (one.forgetSignal()) this.#abortable.delete(one)
      const hasFailed = error !== null && error !== undefined
      one.end(hasFailed)
      this.#context.threadList.countTask(hasFailed)
    } catch (failure) {
      this.#context.fail(failure)
    }
  }
}

function factsOf({ options = {}, threads = [] }: PoolObject): PoolFacts {
  const { minThreads = 0, maxThreads = 0, concurrentTasksPerWorker = 1 } = options
  return { minThreads, maxThreads, tasksPerThread: concurrentTasksPerWorker, threads: threads.length }
}

/** What a pool calls itself when it is constructed. */
function kindIn(options: unknown): string | undefined {
  if (typeof options !== 'object' || options === null) return undefined
  const { name } = options as { name?: unknown }
  return typeof name === 'string' && Object.hasOwn(PISCINA_KINDS, name) ? PISCINA_KINDS[name] : undefined
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
