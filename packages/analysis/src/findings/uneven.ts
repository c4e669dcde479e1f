import {
  count,
  cpuWaitOf,
  cpuWaitOfCrew,
  judged,
  judgedCrews,
  MS,
  ns,
  percentText,
  whenOf,
  whenOfCrew,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { threadText } from '../thread-text.js'

/** The worker with the most time in tasks, measured by the mean. */
const UNEVEN = 1.4
const LEAST_PART = 0.2
/** The worker with the most is at work for so much of the pool's time. */
const AT_WORK = 0.6
/** Of its own time: one of a crew that often has no message holds nobody up. */
const BUSY = 0.75
const LEAST_NS = 100 * MS
const MOST_CPU_WAIT = 0.2
/** A worker of a crew that is at work for less of its time has nothing to do. */
const IDLE = 0.02

/** One worker has much more to do than others, and the end waits for it. */
export const uneven: Finder = {
  id: 'uneven-work',
  judgesTime: true,
  find: (facts) => [...inPools(facts), ...inCrews(facts)],
}

function inPools(facts: Facts): Found[] {
  return judged(facts).flatMap((pool) => {
    const { workers, tasksAtOnce, name } = pool
    const activeNs = pool.activeNs - pool.startWaits.ns
    if (workers.length < 2 || tasksAtOnce < workers.length || workers.length > pool.threadsAtOnce) return []
    // Who gets a CPU and who doesn't is another thing.
    if ((cpuWaitOf(facts, pool)?.part ?? 0) > MOST_CPU_WAIT) return []
    const mean = workers.reduce((sum, { runNs }) => sum + runNs, 0) / workers.length
    const most = workers.reduce((a, b) => (b.runNs > a.runNs ? b : a))
    // A task that comes alone and finds a free worker would not be done sooner by another one.
    const held = pool.backlog.ns + Number(pool.to - pool.lastQueued)
    const cost = Math.min(most.runNs - mean, held)
    if (most.runNs < UNEVEN * mean || cost < LEAST_PART * activeNs || cost < LEAST_NS) return []
    if (most.runNs < AT_WORK * activeNs) return []
    return {
      about: pool,
      severity: 'problem',
      title:
        `The work of ${name} is shared unevenly: ${threadText(most.thread)} did ` +
        `${percentText(most.runNs / (mean * workers.length))} of it, of ${workers.length} workers.`,
      evidence: [
        ns('longest time in tasks', most.runNs),
        ns('mean of the workers', mean),
        count('its tasks', most.tasks),
        count('tasks of all', pool.tasks),
        ns('longest task', pool.run.max),
      ],
      costNs: cost,
      advice: 'Cut the work into smaller, more equal tasks, and submit the long ones first.',
      at: { ...whenOf(pool), thread: most.thread },
    }
  })
}

function inCrews(facts: Facts): Found[] {
  return judgedCrews(facts).flatMap((crew) => {
    const { activeNs, name, there } = crew
    // Those that had nothing at all are told by another finding.
    const workers = crew.workers.filter(({ workNs }) => workNs >= IDLE * activeNs)
    if (workers.length < 2) return []
    const all = workers.reduce((sum, { workNs }) => sum + workNs, 0)
    if (cpuWaitOfCrew(crew) > MOST_CPU_WAIT) return []
    const mean = all / workers.length
    const most = workers.reduce((a, b) => (b.workNs > a.workNs ? b : a))
    const cost = most.workNs - mean
    if (most.workNs < UNEVEN * mean || cost < LEAST_PART * activeNs || cost < LEAST_NS) return []
    if (most.workNs < AT_WORK * activeNs || most.workNs < BUSY * most.thereNs) return []
    return {
      about: crew,
      severity: 'problem',
      title:
        `The work of the workers of ${name} is shared unevenly: ${threadText(most.thread)} did ` +
        `${percentText(most.workNs / all)} of it, of ${workers.length} workers.`,
      evidence: [
        ns('longest time at work', most.workNs),
        ns('mean of the workers', mean),
        count('its messages', most.messages),
        count('messages to all', there.messages),
        ns('longest in a handler', there.handle.max),
      ],
      costNs: cost,
      advice:
        'Give the next piece to the worker that is free, not to each in turn, and cut long ones into parts.',
      at: { ...whenOfCrew(crew), thread: most.thread },
    }
  })
}
