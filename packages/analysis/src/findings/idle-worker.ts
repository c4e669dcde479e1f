import {
  count,
  judged,
  MS,
  ns,
  percent,
  plural,
  threadText,
  whenOf,
  type Finder,
  type Found,
} from './finder.js'

/** A worker that had tasks for less of the pool's time did nothing. */
const IDLE = 0.02
const ACTIVE_NS = 300 * MS
/** A worker that is not online after so long does not come. */
const LATE_NS = 1000 * MS

/** A worker never came, or sat idle. */
export const idleWorker: Finder = {
  id: 'idle-worker',
  find(facts) {
    const found: Found[] = []
    for (const { thread, spawned, online, exit, to, parent, ready } of facts.threads) {
      if (spawned === undefined || online !== undefined || ready !== undefined) continue
      if (Number((exit ?? to) - spawned) < LATE_NS) continue
      found.push({
        severity: 'problem',
        title: `${capital(threadText(thread))} never came online: it was started, and nothing was heard of it.`,
        evidence: [ns('since it was started', Number((exit ?? to) - spawned))],
        costNs: 0,
        advice:
          'See whether its file loads, whether it waits at top level, and whether the thread that starts it gets ' +
          'back to its event loop.',
        at: { thread: parent ?? thread, from: spawned, to: exit ?? to },
      })
    }
    for (const pool of judged(facts)) {
      const { workers, activeNs, name, tasksAtOnce, tasksPerThread } = pool
      if (workers.length < 2 || activeNs < ACTIVE_NS || workers.length > pool.threadsAtOnce) continue
      const idle = workers.filter(({ runNs }) => runNs < IDLE * activeNs)
      const isBusy = workers.some(({ runNs }) => runNs >= 0.2 * activeNs)
      if (idle.length === 0 || !isBusy || tasksAtOnce > tasksPerThread * (workers.length - idle.length))
        continue
      found.push({
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
      })
    }
    return found
  },
}

function capital(text: string): string {
  return text[0].toUpperCase() + text.slice(1)
}
