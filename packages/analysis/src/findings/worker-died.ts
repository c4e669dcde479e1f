import type { ThreadUse } from '../model.js'
import { threadText } from '../thread-text.js'
import {
  capital,
  count,
  diedOfMemory,
  hasDied,
  plural,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'

/** Reasons that are told one by one. */
const MOST_REASONS = 5
/** A worker that starts so little before another one has ended takes its place. */
const BEFORE_NS = 100_000_000n
/** What Node ends a thread with whose top-level `await` never settles. */
const UNSETTLED = 13
const LONGEST_ERROR = 160

/** Workers that died of the same. */
interface Deaths {
  readonly reason: Reason
  readonly dead: ThreadUse[]
}

interface Reason {
  /** Equal for equal reasons. */
  readonly key: string
  /** What follows on the names of the workers. */
  readonly title: string
  readonly advice: string
}

/** Workers ended by an error, or ended themselves; perhaps others took their places. */
export const workerDied: Finder = {
  id: 'worker-died',
  judgesTime: false,
  find(facts) {
    const byReason = new Map<string, Deaths>()
    for (const thread of facts.threads) {
      if (thread.role !== 'worker' || !hasDied(thread)) continue
      const reason = reasonOf(thread)
      const same = byReason.get(reason.key)
      if (same === undefined) byReason.set(reason.key, { reason, dead: [thread] })
      else same.dead.push(thread)
    }
    const all = [...byReason.values()].toSorted((a, b) => b.dead.length - a.dead.length)
    const shown = all.length <= MOST_REASONS ? all : all.slice(0, MOST_REASONS - 1)
    const rest = all.slice(shown.length)
    return [
      ...shown.map((deaths) => foundOf(facts, deaths)),
      ...(rest.length === 0 ? [] : [foundOf(facts, together(rest))]),
      ...terminated(facts),
    ]
  },
}

function reasonOf(thread: ThreadUse): Reason {
  const { error, exitCode = 0 } = thread
  if (diedOfMemory(thread)) {
    return {
      key: 'memory',
      title: 'died: the heap reached its limit',
      advice: 'Keep less at once, or raise resourceLimits.maxOldGenerationSizeMb of the worker.',
    }
  }
  if (error !== undefined) {
    const text = messageOf(error)
    return {
      key: `error ${text}`,
      title: `died of an error that it did not catch${text === '' ? '' : `: ${text}`}`,
      advice: 'Catch the error in the worker, also those of its promises and events.',
    }
  }
  if (exitCode === UNSETTLED) {
    return {
      key: `exit ${exitCode}`,
      title: `ended with exit code ${UNSETTLED}: an await at the top level of the module never settled`,
      advice: 'See what it waits for: nothing was left that could have settled it.',
    }
  }
  return {
    key: `exit ${exitCode}`,
    title: `ended with exit code ${exitCode}`,
    advice: `See who calls process.exit(${exitCode}) or sets process.exitCode: in a worker that ends only the worker.`,
  }
}

/** The first line of an error. */
function messageOf(error: string): string {
  const [line] = error.split('\n')
  return line.length > LONGEST_ERROR ? `${line.slice(0, LONGEST_ERROR - 1)}…` : line.replace(/[.:]$/, '')
}

/** Deaths by many reasons. */
function together(rest: readonly Deaths[]): Deaths {
  const reasons = `${rest.length} other reasons`
  return {
    reason: {
      key: '',
      title: `died for ${reasons}`,
      advice: 'The table of threads has the reason of each.',
    },
    dead: rest.flatMap(({ dead }) => dead),
  }
}

function foundOf({ threads, pools, crews }: Facts, { reason, dead }: Deaths): Found {
  const [first] = dead
  const who = dead.length === 1 ? threadText(first.thread) : plural(dead.length, 'worker')
  const replaced = dead.filter((each) => threads.some((other) => takesPlaceOf(other, each))).length
  const own = new Set(dead.map(({ thread }) => thread))
  const lost = sumOf(pools, own, ({ abandoned }) => abandoned)
  const unread = sumOf(crews, own, ({ unhandled }) => unhandled)
  const limit = reason.key === 'memory' ? first.heap?.limit : undefined
  return {
    severity: 'problem',
    title: `${capital(who)} ${reason.title}.`,
    evidence: [
      count('workers that died of this', dead.length),
      count('of these, replaced by another', replaced),
      ...(limit === undefined ? [] : [{ label: 'heap limit', value: limit, unit: 'bytes' }]),
      ...(lost === 0 ? [] : [count('tasks lost with them', lost)]),
      ...(unread === 0 ? [] : [count('messages that they never received', unread)]),
    ],
    costNs: 0,
    advice: reason.advice,
    at: { thread: first.thread, from: first.from, to: first.exit ?? first.to },
  }
}

function takesPlaceOf({ thread, spawned, runs, parent }: ThreadUse, dead: ThreadUse): boolean {
  return (
    spawned !== undefined &&
    dead.exit !== undefined &&
    thread !== dead.thread &&
    thread.process === dead.thread.process &&
    parent === dead.parent &&
    (runs === dead.runs || runs === undefined) &&
    spawned >= dead.exit - BEFORE_NS
  )
}

/** Sums up what workers of pools or crews had, of those that are in `own`. */
function sumOf<W extends { readonly thread: ThreadUse['thread'] }>(
  groups: readonly { readonly workers: readonly W[] }[],
  own: ReadonlySet<ThreadUse['thread']>,
  valueOf: (worker: W) => number,
): number {
  return groups
    .flatMap(({ workers }) => workers)
    .reduce((sum, worker) => (own.has(worker.thread) ? sum + valueOf(worker) : sum), 0)
}

/** Workers that the program ended while they had tasks. Where that is often, it costs starts. */
function terminated({ threads, pools }: Facts): Found[] {
  return pools.flatMap((pool): Found[] => {
    // That none ever ran is said by another finding.
    if (pool.run.count === 0) return []
    const uses = new Map(threads.map((use) => [use.thread, use]))
    const ended = pool.workers.flatMap(({ thread, abandoned }) => {
      const use = uses.get(thread)
      return abandoned > 0 && use?.exit !== undefined && !hasDied(use) ? [{ use, abandoned }] : []
    })
    if (ended.length === 0) return []
    const [{ use: first }] = ended
    const tasks = ended.reduce((sum, { abandoned }) => sum + abandoned, 0)
    return [
      {
        about: pool,
        severity: 'hint',
        title: `${plural(ended.length, 'worker')} of ${pool.name} ${ended.length === 1 ? 'was' : 'were'} terminated with ${
          tasks === 1 ? 'a task' : `${tasks} tasks`
        } under way.`,
        evidence: [count('workers terminated', ended.length), count('tasks lost with them', tasks)],
        costNs: 0,
        advice:
          'Such tasks fail, and what they did is lost: they were aborted or took too long for a time limit, or the pool was ' +
          'closed before they were done.',
        at: { thread: first.thread, from: first.from, to: first.exit ?? first.to },
      },
    ]
  })
}
