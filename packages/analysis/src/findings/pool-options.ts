/** How pools call what advice speaks of. */
import type { Pool } from '../model.js'

/** Names of a pool's options. What it doesn't have is undefined. */
export interface PoolOptions {
  /** How many threads it has at most. */
  readonly most: string
  /** How many it keeps. */
  readonly least?: string
  /** How long an idle thread is kept. */
  readonly idle?: string
  /** How many tasks a thread has at once. */
  readonly atOnce?: string
  /** How something is handed over to a worker, rather than copied. */
  readonly transfer?: string
  /** Where the limits of a worker's memory stand: what comes before, and behind them. */
  readonly limits: readonly [string, string]
}

const PLAIN = ['resourceLimits: { ', ' }'] as const
const PISCINA: PoolOptions = {
  most: 'maxThreads',
  least: 'minThreads',
  idle: 'idleTimeout',
  atOnce: 'concurrentTasksPerWorker',
  transfer: 'transferList, move()',
  limits: PLAIN,
}
/** By the kinds of pools. The probes' tests hold that each kind that they follow is here. */
export const POOL_OPTIONS: Readonly<Record<string, PoolOptions>> = {
  piscina: PISCINA,
  tinypool: PISCINA,
  workerpool: {
    most: 'maxWorkers',
    least: 'minWorkers',
    transfer: 'transfer',
    limits: ['workerThreadOpts: { resourceLimits: { ', ' } }'],
  },
  'jest-worker': { most: 'numWorkers', limits: PLAIN },
  poolifier: {
    most: 'the number of its threads',
    atOnce: 'tasksQueueOptions: { concurrency }',
    transfer: 'transferList',
    limits: ['workerOptions: { resourceLimits: { ', ' } }'],
  },
}

/** The options of a pool. */
export function optionsOf({ kind }: Pool): PoolOptions {
  return Object.hasOwn(POOL_OPTIONS, kind) ? POOL_OPTIONS[kind] : PISCINA
}

/** A limit of a worker's memory, as one writes it: `resourceLimits: { … }`. */
export function limitText({ limits: [before, behind] }: PoolOptions, limit: string): string {
  return `${before}${limit}${behind}`
}
