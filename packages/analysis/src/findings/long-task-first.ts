import { durationText } from '../quantity.js'
import { count, judged, MS, ns, percent, percentText, whenLongestRan, type Finder } from './finder.js'

/** A run is long when it takes so many times the median. */
const LONG = 8
/** Of the queue wait. One long task on one of two workers holds up half. */
const BEHIND = 0.6
/** So long the short tasks waited, measured by their own time. */
const WAITED_RUNS = 5
const LEAST_NS = 50 * MS

/** Short tasks wait behind a few long ones. */
export const longTaskFirst: Finder = {
  id: 'long-task-first',
  judgesTime: true,
  find: (facts) =>
    judged(facts).flatMap((pool) => {
      const { run, waitBehind, tasks, wait } = pool
      const limit = Math.max(run.p50 * LONG, MS)
      if (run.max < limit) return []
      const first = Math.ceil(Math.log2(limit))
      const all = waitBehind.reduce((sum, each) => sum + each, 0)
      const behind = waitBehind
        .slice(Math.min(first, Math.floor(Math.log2(run.max))))
        .reduce((sum, each) => sum + each, 0)
      // The long ones must be few: else they are what the pool does.
      if (run.p90 >= limit || all === 0 || behind < BEHIND * all) return []
      const each = behind / tasks
      if (each < WAITED_RUNS * run.p50 || behind < LEAST_NS) return []
      return {
        about: pool,
        severity: 'problem',
        title:
          `In ${pool.name}, short tasks waited behind long ones: half of the tasks ran for less than ` +
          `${durationText(run.p50)}, but ${percentText(behind / all)} of the queue wait was behind ` +
          `tasks of up to ${durationText(run.max)}.`,
        evidence: [
          ns('run time, median', run.p50),
          ns('run time, longest', run.max),
          percent('queue wait behind long tasks', behind / all),
          ns('queue wait, median', wait.p50),
          count('tasks', tasks),
        ],
        costNs: each,
        isCostOfEach: true,
        advice:
          'Give long tasks a pool of their own, cut them into parts, or put the short ones first ' +
          '(a task queue with priorities).',
        at: whenLongestRan(pool),
      }
    }),
}
