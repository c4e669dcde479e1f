import type { Pool } from '../model.js'
import { threadText, threadTextFirst } from '../thread-text.js'
import {
  count,
  cpusOf,
  crewText,
  judged,
  judgedCrews,
  MS,
  ns,
  percent,
  plural,
  whenOf,
  whenOfCrew,
  workersOf,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { optionsOf } from './pool-options.js'

/** A worker that had tasks for less of the pool's time did nothing. */
const IDLE = 0.02
/** Beside one that had some for so much of it. */
const BUSY = 0.2
const ACTIVE_NS = 300 * MS
/** Tasks one after the other, without much time between them, and not only their way. */
const DENSE = 0.7
const RUNNING = 0.5
/** A worker that is not online after so long does not come. Nor does one that takes no message. */
const LATE_NS = 1000 * MS
const SEE_WHY =
  'See whether its file loads, whether it waits at top level, and whether the thread that starts it gets ' +
  'back to its event loop.'

/** A worker never came, or sat idle. */
export const idleWorker: Finder = {
  id: 'idle-worker',
  judgesTime: false,
  find: (facts) => [
    ...neverOnline(facts),
    ...neverRan(facts),
    ...neverTook(facts),
    ...idleInPools(facts),
    ...idleInCrews(facts),
  ],
}

function neverOnline({ threads }: Facts): Found[] {
  const never = threads.filter(
    ({ spawned, online, ready, exit, to }) =>
      spawned !== undefined &&
      online === undefined &&
      ready === undefined &&
      Number((exit ?? to) - spawned) >= LATE_NS,
  )
  if (never.length === 0) return []
  const [{ thread, from, exit, to, parent }] = never
  return [
    {
      severity: 'problem',
      title:
        never.length === 1
          ? `${threadTextFirst(thread)} never came online: it was started, and nothing was heard of it.`
          : `${never.length} workers never came online: they were started, and nothing was heard of them.`,
      evidence: [
        ns('since it was started', Number((exit ?? to) - from)),
        ...(never.length === 1 ? [] : [count('workers', never.length)]),
      ],
      costNs: 0,
      advice: SEE_WHY,
      at: { thread: parent ?? thread, from, to: exit ?? to },
    },
  ]
}

/** A pool whose workers never came so far that they could run a task. */
function neverRan(facts: Facts): Found[] {
  return facts.pools.flatMap((pool) => {
    const { name, tasks, failed, cut, run, activeNs } = pool
    if (tasks === 0 || run.count > 0 || failed + cut < tasks || activeNs < LATE_NS) return []
    // Runs that were cut off have no task.
    if (workersOf(facts, pool).some(({ taskNs }) => taskNs > 0)) return []
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
  return crews.flatMap(({ workers, parent, name }): Found[] => {
    const never = workers.flatMap(({ thread, messages, unhandled, answers }) => {
      const use = threads.find((each) => each.thread === thread)
      if (use === undefined || !use.isProbed || messages === 0 || unhandled < messages || answers > 0)
        return []
      const { from, to, online, ready } = use
      // Else that is what is wrong with it.
      if (online === undefined && ready === undefined) return []
      return Number(to - from) < LATE_NS ? [] : [{ thread, messages, from, to }]
    })
    if (never.length === 0) return []
    const [{ thread, from, to }] = never
    const messages = never.reduce((sum, each) => sum + each.messages, 0)
    const whose = name === '' || thread.name === name ? '' : ` of ${name}`
    const who = never.length === 1 ? threadTextFirst(thread) : `${never.length} workers`
    return [
      {
        severity: 'problem',
        title: `${who}${whose} never took a message: ${plural(messages, 'message')} of ${threadText(parent)} waited.`,
        evidence: [count('messages', messages), ns('since it was started', Number(to - from))],
        costNs: 0,
        advice:
          'See whether its file waits at top level, or computes there, before it listens, and whether it listens at all ' +
          "(parentPort.on('message', …)).",
        at: { thread: parent, from, to },
      },
    ]
  })
}

function idleInPools(facts: Facts): Found[] {
  return judged(facts).flatMap((pool) => {
    const { workers, activeNs, name, tasksAtOnce, tasksPerThread } = pool
    const serial = oneAfterTheOther(facts, pool)
    if (serial.length > 0) return serial
    const { least, most } = optionsOf(pool)
    if (workers.length < 2 || activeNs < ACTIVE_NS || workers.length > pool.threadsAtOnce) return []
    const idle = workers.filter(({ runNs }) => runNs < IDLE * activeNs)
    const isBusy = workers.some(({ runNs }) => runNs >= BUSY * activeNs)
    if (idle.length === 0 || !isBusy || tasksAtOnce > tasksPerThread * (workers.length - idle.length))
      return []
    return {
      about: pool,
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
        'Submit tasks without waiting for the one before (Promise.all), or set ' +
        `${least === undefined ? most : `${least} and ${most}`} to what is needed: each thread takes memory.`,
      at: whenOf(pool),
    }
  })
}

/** A pool that has several threads, and never two tasks at once. */
function oneAfterTheOther(facts: Facts, pool: Pool): Found[] {
  const { tasksAtOnce, threadsAtOnce, maxThreads = 0, activeNs, span, name, tasks, run, startWaits } = pool
  const possible = Math.min(Math.max(threadsAtOnce, maxThreads), cpusOf(facts, pool.process) ?? 1)
  if (tasksAtOnce !== 1 || possible < 2 || activeNs < ACTIVE_NS) return []
  // Else it is idle between tasks: then there is no more to do.
  if (activeNs < DENSE * span.ns || run.sum < RUNNING * (activeNs - startWaits.ns)) return []
  return [
    {
      about: pool,
      severity: 'problem',
      title:
        `Tasks of ${name} come one at a time: each is submitted after the one before has ended, so no two threads ever work ` +
        'at once.',
      evidence: [
        count('tasks', tasks),
        count('most tasks at once', tasksAtOnce),
        count('threads that it may have', Math.max(threadsAtOnce, maxThreads)),
        percent('time with a task', activeNs / Math.max(1, span.ns)),
      ],
      costNs: run.sum * (1 - 1 / possible),
      advice:
        'Submit tasks without waiting for the one before (Promise.all). Where each needs the result of the one before, threads ' +
        'do not help.',
      at: whenOf(pool),
    },
  ]
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
      about: crew,
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
