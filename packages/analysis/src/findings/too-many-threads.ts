import {
  count,
  cpusOf,
  cpuWaitOf,
  judged,
  MS,
  ns,
  percent,
  percentText,
  plural,
  whenOf,
  type Finder,
} from './finder.js'

const WAITED = 0.2
const LEAST_NS = 100 * MS

/** More workers want a CPU than there are. */
export const tooManyThreads: Finder = {
  id: 'more-threads-than-cpus',
  find: (facts) =>
    judged(facts).flatMap((pool) => {
      const cpus = cpusOf(facts, pool.process)
      const waited = cpuWaitOf(facts, pool)
      const threads = pool.threadsAtOnce
      if (cpus === undefined || waited === undefined || threads <= cpus) return []
      if (waited.part < WAITED || waited.ns < LEAST_NS) return []
      return {
        severity: 'problem',
        title:
          `${pool.name} has more threads than there are CPUs: its ${plural(threads, 'thread')} on ` +
          `${plural(cpus, 'CPU')} spent ${percentText(waited.part)} of their working time waiting for one.`,
        evidence: [
          count('threads', threads),
          count('CPUs', cpus),
          ns('waiting for a CPU, all threads', waited.ns),
          percent('part of the time at work', waited.part),
          ns('run time, median', pool.run.p50),
        ],
        costNs: waited.ns / threads,
        advice:
          `Set maxThreads to ${Math.max(1, cpus)} or less. More threads than CPUs make each task slower, and all ` +
          'of them no faster.',
        at: whenOf(pool),
      }
    }),
}
