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
import { largeMessagesOf, messagesOf } from './serialization.js'
import type { TraceThread } from '@rchan/ctf/reader'

const HINT = 0.15
const PROBLEM = 0.3
const LEAST_NS = 50 * MS
/** The main thread's are less of a fault: it may have made what the program needs. */
const HINT_OF_MAIN = 0.2
const LEAST_OF_MAIN_NS = 300 * MS
const LARGER = 'maxYoungGenerationSizeMb: 64'
/** Options of a bare worker. */
const OF_WORKER: PoolOptions = { most: '', limits: ['resourceLimits: { ', ' }'] }

/** Garbage collection takes the tasks' time. */
export const garbageCollection: Finder = {
  id: 'garbage-collection',
  judgesTime: true,
  find: (facts) => [...inPools(facts), ...inCrews(facts), ...inMain(facts)],
}

function inPools(facts: Facts): Found[] {
  return judged(facts).flatMap((pool) => {
    const { gc } = pool.parts
    const part = gc / Math.max(1, pool.run.sum)
    // A collection may have waited for a CPU, too, and all of that wait may be in its time; or for
    // V8's helpers, which had none.
    const onCpu = pool.gcOnCpuNs / Math.max(1, pool.run.sum)
    const byTheClock = pool.gcNs / Math.max(1, pool.run.sum)
    const proven = Math.min(onCpu, byTheClock - (cpuWaitOf(facts, pool)?.part ?? 0))
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

/** Of a main thread, which does other things, too. */
function inMain(facts: Facts): Found[] {
  return facts.threads.flatMap((use): Found[] => {
    const { thread, role, basis, gcNs: gc, onCpuNs, waitingForCpuNs, from, to } = use
    if (role !== 'main' || basis !== 'kernel' || gc < LEAST_OF_MAIN_NS) return []
    const part = gc / Math.max(1, onCpuNs)
    // A collection may have waited for a CPU. Large messages make garbage, too.
    const proven = (gc - waitingForCpuNs - messagesThrough(facts, thread)) / Math.max(1, onCpuNs)
    if (part > 1 || proven < HINT_OF_MAIN) return []
    const several = facts.processes.length > 1
    return [
      {
        severity: proven >= PROBLEM ? 'problem' : 'hint',
        title:
          `Garbage collection took ${percentText(part)} of the time of the main thread` +
          `${several ? ` of process ${thread.process.pid}` : ''}.`,
        evidence: [ns('garbage collection', gc), ns('main thread on a CPU', onCpuNs), percent('part', part)],
        costNs: gc,
        advice:
          'Make less garbage: reuse buffers, work in parts. Or give the process a larger young generation: ' +
          'node --max-semi-space-size=64 (MiB).',
        at: { thread, from, to },
      },
    ]
  })
}

/** How long large messages that a thread exchanged with workers took to be written and read. */
function messagesThrough(facts: Facts, thread: TraceThread): number {
  const ofPools = facts.pools.filter(({ submitter }) => submitter === thread)
  const ofCrews = facts.crews.filter(({ parent }) => parent === thread)
  return (
    ofPools.reduce((sum, pool) => sum + messagesOf(facts, pool), 0) +
    ofCrews.reduce((sum, crew) => sum + largeMessagesOf(crew), 0)
  )
}
