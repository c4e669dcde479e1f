import { count, hasDied, plural, type Finder } from './finder.js'
import { threadText } from '../thread-text.js'

/** A worker ended by an error, and perhaps another took its place. */
export const workerDied: Finder = {
  id: 'worker-died',
  find({ threads }) {
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
        evidence: [count('workers that died', dead.length), count('workers started afterwards', replaced)],
        costNs: 0,
        advice:
          'The tasks that it had are lost. Catch the error in the task; if it ran out of memory, raise ' +
          'resourceLimits.maxOldGenerationSizeMb.',
        at: { thread: first.thread, from: first.from, to: first.exit ?? first.to },
      },
    ]
  },
}
