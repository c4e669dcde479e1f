import { count, cpuWaitOf, judged, MS, ns, percent, percentText, whenTypical, type Finder } from './finder.js'

const FEWEST = 200
const SMALL_NS = 0.5 * MS
const MUCH_WAIT = 0.2

/** Dispatching a task costs more than doing it. */
export const tasksTooSmall: Finder = {
  id: 'tasks-too-small',
  judgesTime: true,
  find: (facts) =>
    judged(facts).flatMap((pool) => {
      const { run, wake, reply, tasks, serialize } = pool
      if (tasks < FEWEST || run.p50 >= SMALL_NS || run.sum === 0) return []
      // Long messages are another thing.
      if (serialize.p50 >= SMALL_NS || wake.p50 >= 2 * SMALL_NS) return []
      const overhead = wake.p50 + reply.p50
      // Large enough together: a few long tasks carry the small ones.
      if (overhead < run.p50 || run.sum > 0.5 * pool.activeNs * Math.max(1, pool.threadsAtOnce)) return []
      const waited = cpuWaitOf(facts, pool)?.part ?? 0
      return {
        about: pool,
        severity: 'problem',
        title:
          `The tasks of ${pool.name} are too small: half of them run for less than ${Math.round(run.p50 / 1e3)} µs, and ` +
          `getting one to a worker and back takes ${Math.round(overhead / 1e3)} µs.`,
        evidence: [
          ns('run time, median', run.p50),
          ns('dispatch to start, median', wake.p50),
          ns('result to handler, median', reply.p50),
          count('tasks', tasks),
          percent('workers at work', run.sum / (pool.activeNs * Math.max(1, pool.threadsAtOnce))),
        ],
        costNs: Math.max(0, pool.activeNs - run.sum / Math.max(1, pool.threadsAtOnce)),
        advice: 'Put several into one task, or do such work where it arises.',
        at: whenTypical(pool),
        ...(waited < MUCH_WAIT
          ? {}
          : {
              thin: `Workers waited for a CPU in ${percentText(waited)} of their time: the way takes longer then.`,
            }),
      }
    }),
}
