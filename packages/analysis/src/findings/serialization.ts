import type { Pool } from '../model.js'
import { cpuWaitOf, judged, MS, ns, percent, whenOf, type Facts, type Finder } from './finder.js'

/** A message that takes so long to get through is large. */
const LARGE_NS = 0.5 * MS
const LEAST_NS = 50 * MS
const MOST_CPU_WAIT = 0.2

/** How long large messages of a pool were on their way. */
export function messagesOf(facts: Facts, pool: Pool): number {
  const { wake, serialize, reply, tasksPerThread } = pool
  // The way to the worker also has its waking up, and what else it does.
  const isClear = tasksPerThread === 1 && (cpuWaitOf(facts, pool)?.part ?? 0) < MOST_CPU_WAIT
  const there = isClear && wake.p50 >= LARGE_NS ? wake.p50 * wake.count : 0
  const back = serialize.p50 >= LARGE_NS ? Math.max(serialize.sum, reply.count * reply.p50) : 0
  return there + back
}

/** Getting messages through takes longer than the tasks. */
export const serialization: Finder = {
  id: 'serialization',
  find: (facts) =>
    judged(facts).flatMap((pool) => {
      const { run, wake, serialize, reply } = pool
      const cost = messagesOf(facts, pool)
      if (cost < run.sum || cost < LEAST_NS) return []
      return {
        severity: 'problem',
        title:
          `Messages of ${pool.name} take longer than its tasks: a task runs for ${(run.p50 / MS).toPrecision(2)} ms, ` +
          `getting its data there and back takes ${(cost / Math.max(1, run.count) / MS).toPrecision(2)} ms.`,
        evidence: [
          ns('run time, median', run.p50),
          ns('dispatch to start, median', wake.p50),
          ns('posting the result, median', serialize.p50),
          ns('result to handler, median', reply.p50),
          percent('messages, measured by run time', cost / Math.max(1, run.sum)),
        ],
        costNs: cost,
        advice:
          'Transfer ArrayBuffers (transferList, move()) or share memory (SharedArrayBuffer) instead of copying, ' +
          'and send less: let the worker read what it needs.',
        at: whenOf(pool),
      }
    }),
}
