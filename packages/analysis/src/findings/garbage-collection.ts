import { cpuWaitOf, judged, MS, ns, percent, percentText, whenOf, type Finder } from './finder.js'

const HINT = 0.15
const PROBLEM = 0.3
const LEAST_NS = 50 * MS

/** Garbage collection takes the tasks' time. */
export const garbageCollection: Finder = {
  id: 'garbage-collection',
  find: (facts) =>
    judged(facts).flatMap((pool) => {
      const { gc } = pool.parts
      const part = gc / Math.max(1, pool.run.sum)
      // A collection may have waited for a CPU, too, and all of that wait may be in its time.
      const proven = part - (cpuWaitOf(facts, pool)?.part ?? 0)
      if (proven < HINT || gc < LEAST_NS) return []
      return {
        severity: proven >= PROBLEM ? 'problem' : 'hint',
        title: `Garbage collection took ${percentText(part)} of the time of ${pool.name}'s tasks.`,
        evidence: [
          ns('garbage collection in tasks', gc),
          ns('run time of all tasks', pool.run.sum),
          percent('part', part),
        ],
        costNs: gc / Math.max(1, pool.workers.length),
        advice:
          'Make less garbage: reuse buffers, work in parts. Or give workers a larger young generation: ' +
          'resourceLimits: { maxYoungGenerationSizeMb: 64 }.',
        at: whenOf(pool),
      }
    }),
}
