import { threadText, threadTextFirst } from '../thread-text.js'
import {
  atWorkPart,
  count,
  cpusOf,
  judged,
  MS,
  ns,
  percent,
  percentText,
  plural,
  whenOf,
  type Finder,
} from './finder.js'

/** Of the time in which it had a CPU or wanted none. */
const BUSY = 0.85
/** It had a CPU for so much of the time: else it is that which it lacks. */
const ON_CPU = 0.6
const WORKERS_AT_WORK = 0.6
const LEAST_NS = 300 * MS

/** The thread that gives the tasks has so much to do that workers have too little. */
export const mainBusy: Finder = {
  id: 'main-thread-busy',
  judgesTime: true,
  find: (facts) =>
    judged(facts).flatMap((pool) => {
      const { span, submitter, name, threadsAtOnce, run, tasks } = pool
      const { submitterOnCpuNs: onCpu, submitterWaitingNs: waited } = span
      if (span.cpus === undefined || span.ns < LEAST_NS) return []
      if (onCpu < ON_CPU * span.ns || onCpu < BUSY * (span.ns - waited)) return []
      const atWork = atWorkPart(facts, pool)
      if (atWork > WORKERS_AT_WORK) return []
      const busy = Math.min(1, onCpu / span.ns)
      const atOnce = Math.min(cpusOf(facts, pool.process) ?? 1, threadsAtOnce + 1)
      return {
        about: pool,
        severity: 'problem',
        title:
          `${threadTextFirst(submitter)} has too much to do beside ${name}: it was on a CPU for ${percentText(busy)} of ` +
          `the time, while the pool's ${plural(threadsAtOnce, 'thread')} had no task for ${percentText(1 - atWork)} of theirs.`,
        evidence: [
          ns("time of the pool's tasks, from the first to the last", span.ns),
          ns(`${threadText(submitter)} on a CPU`, onCpu),
          percent('workers at work', atWork),
          ns('for each task', onCpu / Math.max(1, tasks)),
          ns('run time, median', run.p50),
          count('tasks', tasks),
        ],
        // If all of it could be shared among the CPUs.
        costNs: Math.max(0, span.ns - (onCpu + run.sum) / atOnce),
        advice:
          'More threads do not help. Move what it does for each task (making the input, writing messages, handling the result) ' +
          'into the tasks, or do less of it.',
        at: whenOf(pool),
      }
    }),
}
