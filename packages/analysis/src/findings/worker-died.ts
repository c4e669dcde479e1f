import type { Evidence, ThreadUse } from '../model.js'
import { threadText } from '../thread-text.js'
import { count, diedOfMemory, hasDied, plural, type Facts, type Finder } from './finder.js'

/** A worker ended by an error, and perhaps another took its place. */
export const workerDied: Finder = {
  id: 'worker-died',
  judgesTime: false,
  find({ threads, pools }) {
    const dead = threads.filter((thread) => thread.role === 'worker' && hasDied(thread))
    if (dead.length === 0) return []
    const [first] = dead
    const replaced = threads.filter(
      ({ thread, spawned, runs, exit }) =>
        spawned !== undefined &&
        dead.some(
          (each) =>
            each.thread !== thread &&
            each.thread.process === thread.process &&
            (each.runs === runs || runs === undefined) &&
            each.exit !== undefined &&
            spawned >= each.exit - 100_000_000n &&
            (exit === undefined || exit > each.exit),
        ),
    ).length
    const why = first.error ?? `exit code ${first.exitCode}`
    const lost = dead.length === 1 ? threadText(first.thread) : plural(dead.length, 'worker')
    return [
      {
        severity: 'problem',
        title:
          `${lost[0].toUpperCase()}${lost.slice(1)} died${replaced > 0 ? ' and others took the place' : ''}: ` +
          `${why.split('\n')[0].replace(/\.$/, '')}.`,
        evidence: [
          count('workers that died', dead.length),
          count('workers started afterwards', replaced),
          ...lostTasks(pools),
        ],
        costNs: 0,
        // Of a pool it is known whether it had any.
        advice: `${pools.length > 0 && lostOf(pools) === 0 ? '' : 'The tasks that it had are lost. '}${adviceFor(dead)}`,
        at: { thread: first.thread, from: first.from, to: first.exit ?? first.to },
      },
    ]
  },
}

function lostOf(pools: Facts['pools']): number {
  return pools.reduce((sum, { abandoned }) => sum + abandoned, 0)
}

function lostTasks(pools: Facts['pools']): Evidence[] {
  const lost = lostOf(pools)
  return lost === 0 ? [] : [count('tasks ended with their worker', lost)]
}

function adviceFor(dead: readonly ThreadUse[]): string {
  if (dead.some(diedOfMemory)) {
    return 'Keep less at once, or raise resourceLimits.maxOldGenerationSizeMb.'
  }
  return dead.some(({ error }) => error !== undefined)
    ? 'Catch the error in the task, also those of its promises and events.'
    : 'See who ends it: process.exit() in a task ends the worker, too.'
}
