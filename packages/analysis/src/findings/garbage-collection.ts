import {
  cpuWaitOf,
  cpuWaitOfCrew,
  crewText,
  judged,
  judgedCrews,
  MS,
  ns,
  percent,
  percentText,
  whenOf,
  whenOfCrew,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { limitText, optionsOf, type PoolOptions } from './pool-options.js'
import { largeMessagesOf } from './serialization.js'

const HINT = 0.15
const PROBLEM = 0.3
const LEAST_NS = 50 * MS
const LARGER = 'maxYoungGenerationSizeMb: 64'
/** Options of a bare worker. */
const OF_WORKER: PoolOptions = { most: '', limits: ['resourceLimits: { ', ' }'] }

/** Garbage collection takes the tasks' time. */
export const garbageCollection: Finder = {
  id: 'garbage-collection',
  judgesTime: true,
  find: (facts) => [...inPools(facts), ...inCrews(facts)],
}

function inPools(facts: Facts): Found[] {
  return judged(facts).flatMap((pool) => {
    const { gc } = pool.parts
    const part = gc / Math.max(1, pool.run.sum)
    // A collection may have waited for a CPU, too, and all of that wait may be in its time; or for
    // V8's helpers, which had none.
    const onCpu = pool.gcOnCpuNs / Math.max(1, pool.run.sum)
    const proven = Math.min(onCpu, part - (cpuWaitOf(facts, pool)?.part ?? 0))
    if (proven < HINT || gc < LEAST_NS) return []
    return {
      about: pool,
      severity: proven >= PROBLEM ? 'problem' : 'hint',
      title: `Garbage collection took ${percentText(part)} of the time of ${pool.name}'s tasks.`,
      evidence: [
        ns('garbage collection in tasks', gc),
        ns('run time of all tasks', pool.run.sum),
        percent('part', part),
      ],
      costNs: gc / Math.max(1, pool.threadsAtOnce),
      advice: adviceFor(optionsOf(pool)),
      at: whenOf(pool),
    }
  })
}

function adviceFor(options: PoolOptions): string {
  return (
    'Make less garbage: reuse buffers, work in parts. Or give workers a larger young generation: ' +
    `${limitText(options, LARGER)}.`
  )
}

function inCrews(facts: Facts): Found[] {
  return judgedCrews(facts).flatMap((crew) => {
    const { workers } = crew
    const own = new Set(workers.map(({ thread }) => thread))
    const gc = facts.threads.reduce((sum, { thread, gcNs }) => (own.has(thread) ? sum + gcNs : sum), 0)
    const work = workers.reduce((sum, { workNs }) => sum + workNs, 0)
    const part = gc / Math.max(1, work)
    // Reading large messages makes garbage, too.
    const proven = (gc - largeMessagesOf(crew)) / Math.max(1, work) - cpuWaitOfCrew(crew)
    if (part > 1 || proven < HINT || gc < LEAST_NS) return []
    return {
      about: crew,
      severity: proven >= PROBLEM ? 'problem' : 'hint',
      title: `Garbage collection took ${percentText(part)} of the time of ${crewText(crew)}.`,
      evidence: [ns('garbage collection', gc), ns('time at work', work), percent('part', part)],
      costNs: gc / workers.length,
      advice: adviceFor(OF_WORKER),
      at: whenOfCrew(crew),
    }
  })
}
