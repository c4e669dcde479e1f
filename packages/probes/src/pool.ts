/** The pools of the calling thread: their names, and how many tasks each has. */
import { performance } from 'node:perf_hooks'
import { threadId as thisThreadId } from 'node:worker_threads'
import { counter } from '@rchan/trace'
import { poolFound } from './task-events.js'

/** Each pool has a counter of its own, and counters can't be taken back. */
const MOST_COUNTERS = 64
/** How often a pool's figures are told, and its threads counted, in ms. */
const TELL_EVERY_MS = 1
const ASK_EVERY_MS = 10
/** Numbers of tasks are unique in a process: the thread's number stands above this one's count. */
const THREAD_UNIT = 2 ** 32

/** What a pool says of itself. */
export interface PoolFacts {
  readonly minThreads: number
  readonly maxThreads: number
  readonly tasksPerThread: number
  /** That it has now. */
  readonly threads: number
}

// As it is now: the program may replace it. It makes no bigint.
const nowMs = performance.now.bind(performance)

const counts = new Map<string, number>()
let lastTask = 0

/** Returns a number for a new task. */
export function nextTaskId(): number {
  lastTask += 1
  return thisThreadId * THREAD_UNIT + lastTask
}

/** A pool of this thread. */
export class Pool {
  readonly name: string
  readonly #kind: string
  readonly #look: () => PoolFacts
  readonly #count: ((values: { queued: number; busy: number; threads: number }) => void) | undefined
  #isTold = false
  #toldAt = -Infinity
  #askedAt = -Infinity
  #threads = 0
  queued = 0
  busy = 0

  /** @param look asks the pool; called seldom, because some make lists of their threads then. */
  constructor(kind: string, look: () => PoolFacts) {
    const number = (counts.get(kind) ?? 0) + 1
    counts.set(kind, number)
    this.#kind = kind
    this.#look = look
    this.name = `${kind}-${number}${thisThreadId === 0 ? '' : `/${thisThreadId}`}`
    if (number <= MOST_COUNTERS) {
      this.#count = counter(`pool:${this.name}`, { queued: 'u32', busy: 'u32', threads: 'u32' })
    }
  }

  /**
   * Tells how many tasks it has now, at most once a millisecond, and whenever it has none; with the
   * first task, what it is.
   */
  tell(): void {
    const isIdle = this.queued === 0 && this.busy === 0
    const time = nowMs()
    if (!isIdle && time - this.#toldAt < TELL_EVERY_MS) return
    this.#toldAt = time
    if (!this.#isTold && poolFound().enabled) {
      this.#isTold = true
      const { minThreads, maxThreads, tasksPerThread } = this.#look()
      poolFound()({ pool: this.name, kind: this.#kind, minThreads, maxThreads, tasksPerThread })
    }
    if (time - this.#askedAt > ASK_EVERY_MS) {
      this.#askedAt = time
      this.#threads = this.#look().threads
    }
    this.#count?.({ queued: this.queued, busy: this.busy, threads: this.#threads })
  }
}

/** Pools by the objects that libraries have for them. It does not keep these alive. */
export class Pools<P extends object> {
  readonly #look: (pool: Partial<P>) => PoolFacts
  readonly #pools = new WeakMap<object, Pool>()

  constructor(look: (pool: Partial<P>) => PoolFacts) {
    this.#look = look
  }

  find(pool: P): Pool | undefined {
    return this.#pools.get(pool)
  }

  /** Finds a pool, or adds it. */
  of(pool: P, kind: string): Pool {
    let found = this.#pools.get(pool)
    if (found === undefined) {
      const kept = new WeakRef(pool)
      this.#pools.set(pool, (found = new Pool(kind, () => this.#look(kept.deref() ?? {}))))
    }
    return found
  }
}
