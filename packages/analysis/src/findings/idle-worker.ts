import { threadText, threadTextFirst } from '../thread-text.js'
import {
  count,
  crewText,
  judged,
  judgedCrews,
  MS,
  ns,
  percent,
  plural,
  whenOf,
  whenOfCrew,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'

/** A worker that had tasks for less of the pool's time did nothing. */
const IDLE = 0.02
/** Beside one that had some for so much of it. */
const BUSY = 0.2
const ACTIVE_NS = 300 * MS
/** A worker that is not online after so long does not come. Nor does one that takes no message. */
const LATE_NS = 1000 * MS
const SEE_WHY =
  'See whether its file loads, whether it waits at top level, and whether the thread that starts it gets ' +
  'back to its event loop.'

/** A worker never came, or sat idle. */
export const idleWorker: Finder = {
  id: 'idle-worker',
  find: (facts) => [
    ...neverOnline(facts),
    ...neverRan(facts),
    ...neverTook(facts),
    ...idleInPools(facts),
    ...idleInCrews(facts),
  ],
}

function neverOnline({ threads }: Facts): Found[] {
  return threads.flatMap(({ thread, spawned, online, exit, to, parent, ready }) => {
    if (spawned === undefined || online !== undefined || ready !== undefined) return []
    if (Number((exit ?? to) - spawned) < LATE_NS) return []
    return {
      severity: 'problem',
      title: `${threadTextFirst(thread)} never came online: it was started, and nothing was heard of it.`,
      evidence: [ns('since it was started', Number((exit ?? to) - spawned))],
      costNs: 0,
      advice: SEE_WHY,
      at: { thread: parent ?? thread, from: spawned, to: exit ?? to },
    }
  })
}

/** A pool whose workers never came so far that they could run a task. */
function neverRan({ pools }: Facts): Found[] {
  return pools.flatMap((pool) => {
    const { name, tasks, failed, cut, run, activeNs } = pool
    if (tasks === 0 || run.count > 0 || failed + cut < tasks || activeNs < LATE_NS) return []
    return {
      severity: 'problem',
      title: `No worker of ${name} ever ran a task: ${plural(tasks, 'task')} waited.`,
      evidence: [count('tasks', tasks), ns('time in which they waited', activeNs)],
      costNs: activeNs,
      advice:
        'See whether the file of the workers loads, and whether it waits at top level: a worker that is not ready runs no task.',
      at: whenOf(pool),
    }
  })
}

/** A worker that is there, and doesn't take the messages that are posted to it. */
function neverTook({ crews, threads }: Facts): Found[] {
  return crews.flatMap(({ workers, parent, name }) =>
    workers.flatMap(({ thread, messages, unhandled, answers }): Found[] => {
      const use = threads.find((each) => each.thread === thread)
      if (use === undefined || !use.isProbed || messages === 0 || unhandled < messages || answers > 0)
        return []
      const { from, to, online, ready } = use
      // Else that is what is wrong with it.
      if (online === undefined && ready === undefined) return []
      if (Number(to - from) < LATE_NS) return []
      return [
        {
          severity: 'problem',
          title:
            `${threadTextFirst(thread)}${name === '' || thread.name === name ? '' : ` of ${name}`} never took a message: ` +
            `${plural(messages, 'message')} of ${threadText(parent)} waited.`,
          evidence: [count('messages', messages), ns('since it was started', Number(to - from))],
          costNs: 0,
          advice:
            'See whether its file waits at top level, or computes there, before it listens, and whether it listens at all ' +
            "(parentPort.on('message', …)).",
          at: { thread: parent, from, to },
        },
      ]
    }),
  )
}

function idleInPools(facts: Facts): Found[] {
  return judged(facts).flatMap((pool) => {
    const { workers, activeNs, name, tasksAtOnce, tasksPerThread } = pool
    if (workers.length < 2 || activeNs < ACTIVE_NS || workers.length > pool.threadsAtOnce) return []
    const idle = workers.filter(({ runNs }) => runNs < IDLE * activeNs)
    const isBusy = workers.some(({ runNs }) => runNs >= BUSY * activeNs)
    if (idle.length === 0 || !isBusy || tasksAtOnce > tasksPerThread * (workers.length - idle.length))
      return []
    return {
      severity: 'hint',
      title:
        `${idle.length} of ${workers.length} workers of ${name} had nothing to do: there were never more than ` +
        `${plural(tasksAtOnce, 'task')} at once.`,
      evidence: [
        count('workers', workers.length),
        count('idle', idle.length),
        count('most tasks at once', tasksAtOnce),
        percent('their time in tasks', Math.max(...idle.map(({ runNs }) => runNs)) / activeNs),
      ],
      costNs: 0,
      advice:
        'Submit tasks without waiting for the one before (Promise.all), or set minThreads and maxThreads to what ' +
        'is needed: each thread takes memory.',
      at: whenOf(pool),
    }
  })
}

function idleInCrews(facts: Facts): Found[] {
  return judgedCrews(facts).flatMap((crew) => {
    const { workers, activeNs, there } = crew
    if (workers.length < 2 || activeNs < ACTIVE_NS) return []
    const idle = workers.filter(({ workNs }) => workNs < IDLE * activeNs)
    const busiest = Math.max(...workers.map(({ workNs }) => workNs))
    if (idle.length === 0 || busiest < BUSY * activeNs) return []
    const got = idle.reduce((sum, { messages }) => sum + messages, 0)
    return {
      severity: 'hint',
      title: `${idle.length} of ${crewText(crew)} had nothing to do, while another was at work.`,
      evidence: [
        count('workers', workers.length),
        count('idle', idle.length),
        count('messages to them', got),
        count('messages to all', there.messages),
        ns('time at work of the busiest', busiest),
      ],
      costNs: 0,
      advice:
        'Give the next piece of work to the worker that is free, and do not wait for the answer before the next is given. ' +
        'Or start fewer workers: each takes memory.',
      at: whenOfCrew(crew),
    }
  })
}
