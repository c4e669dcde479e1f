import { durationText } from '../quantity.js'
import type { Pool, ThreadUse } from '../model.js'
import {
  count,
  hasDied,
  judged,
  MS,
  ns,
  plural,
  whenOf,
  workersOf,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { optionsOf } from './pool-options.js'

/** Workers started, measured by those that lived at once. */
const OFTEN = 2
const FEWEST = 4
const SLOW_NS = 300 * MS
/** Workers outside of pools: so many of one file, with such a part of their lives for the start. */
const FEWEST_BARE = 6
const BOOT_PART = 0.2
/** Workers that were started anew for a reason, of all that were. */
const BY_REASON = 0.7

/**
 * How long a worker took to start and to load what it runs, without the time in which it waited for
 * a CPU, and in which the thread that started it could not hear of it.
 */
function startOf({ stalls }: Facts, worker: ThreadUse): number {
  const { spawned, ready, online, from, parent, beforeTasks, loadNs } = worker
  const end = ready ?? online
  const start = spawned ?? from
  if (end === undefined || end <= start) return 0
  let length = Number(end - start) + loadNs - beforeTasks.waitingForCpuNs
  for (const stall of stalls) {
    if (stall.thread !== parent) continue
    length -= Math.max(
      0,
      Math.min(Number(stall.to - start), Number(end - start)) - Math.max(0, Number(stall.from - start)),
    )
  }
  return Math.max(0, length)
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Workers start too often, or too late. */
export const workerStarts: Finder = {
  id: 'worker-starts',
  judgesTime: true,
  find(facts) {
    const found: Found[] = []
    const inPools = new Set(facts.pools.flatMap(({ workers }) => workers.map(({ thread }) => thread)))
    for (const pool of judged(facts)) {
      const workers = workersOf(facts, pool).filter(({ spawned }) => spawned !== undefined)
      const starts = workers.map((worker) => startOf(facts, worker)).filter((start) => start > 0)
      const start = median(starts)
      const all = starts.reduce((sum, each) => sum + each, 0)
      const { startWaits, name, threadsAtOnce, tasks } = pool
      const died = workers.filter(hasDied).length
      const evidence = [
        count('workers started', workers.length),
        count('most at once', threadsAtOnce),
        count('tasks for each', tasks / Math.max(1, workers.length)),
        ns('start of a worker, median', start),
        ns('tasks waited for starts', startWaits.ns),
      ]
      if (workers.length - died >= FEWEST && workers.length - died >= OFTEN * threadsAtOnce) {
        const { why, advice } = reasonOf(pool, workers.length)
        found.push({
          about: pool,
          severity: 'problem',
          title:
            `${name} started ${plural(workers.length, 'worker')} for at most ${threadsAtOnce} at a time: ${why}, ` +
            `and each start takes ${durationText(start)}.`,
          evidence: [
            ...evidence,
            ...(pool.abandoned === 0 ? [] : [count('tasks ended with their worker', pool.abandoned)]),
          ],
          costNs: Math.max(startWaits.ns, all / Math.max(1, threadsAtOnce)),
          advice,
          at: whenOf(pool),
        })
      } else if (start >= SLOW_NS && startWaits.ns >= SLOW_NS) {
        const { least } = optionsOf(pool)
        found.push({
          about: pool,
          severity: startWaits.ns >= 0.2 * pool.activeNs ? 'problem' : 'hint',
          title:
            `The workers of ${name} start late: one takes ${durationText(start)}, and ` +
            `${plural(startWaits.tasks, 'task')} waited for that.`,
          evidence,
          costNs: startWaits.ns,
          advice:
            'Let workers load less (bundle their file, import what is rare later), and start them before they are ' +
            `needed${least === undefined ? '' : ` (${least})`}.`,
          at: whenOf(pool),
        })
      }
    }
    return [
      ...found,
      ...bareWorkers(
        facts,
        facts.threads.filter(({ thread }) => !inPools.has(thread)),
      ),
    ]
  },
}

/** Why a pool starts workers again and again. */
function reasonOf(pool: Pool, started: number): { why: string; advice: string } {
  const { tasks, abandoned, threadsAtOnce } = pool
  const anew = started - threadsAtOnce
  const { idle, least } = optionsOf(pool)
  if (abandoned >= BY_REASON * anew) {
    return {
      why: 'a task that is aborted while it runs ends its worker',
      advice:
        'Abort tasks while they are queued, or let them look at a flag (SharedArrayBuffer) and return: then their worker stays.',
    }
  }
  if (started >= BY_REASON * tasks) {
    return {
      why: 'each task has a worker of its own',
      advice:
        `Let workers run many tasks: ${idle === undefined ? 'keep them' : `raise ${idle}`}` +
        `${pool.kind === 'tinypool' ? ', or set isolateWorkers (in vitest: isolate) to false' : ''}. Make one pool, once, and not one for each task.`,
    }
  }
  const keeping = [
    ...(idle === undefined ? [] : [`raise ${idle}`]),
    ...(least === undefined ? [] : [`set ${least} to what is usually needed`]),
  ]
  return {
    why: 'it shrinks and grows',
    advice: `Keep workers${keeping.length === 0 ? '' : `: ${keeping.join(', or ')}`}. Make one pool, once.`,
  }
}

function bareWorkers(facts: Facts, threads: readonly ThreadUse[]): Found[] {
  const byFile = new Map<string, ThreadUse[]>()
  for (const thread of threads) {
    const { runs = '', spawned, exit, role } = thread
    if (role !== 'worker' || spawned === undefined || exit === undefined || hasDied(thread)) continue
    const key = `${thread.thread.process.index} ${runs}`
    const same = byFile.get(key)
    if (same === undefined) byFile.set(key, [thread])
    else same.push(thread)
  }
  return [...byFile.values()].flatMap((same): Found[] => {
    const starts = same.map((worker) => startOf(facts, worker)).filter((start) => start > 0)
    const lives = same.map(({ from, to }) => Number(to - from))
    const [start, life] = [median(starts), median(lives)]
    if (same.length < FEWEST_BARE || start < BOOT_PART * life) return []
    const [first] = same
    return [
      {
        severity: 'problem',
        title:
          `The program starts a worker for each piece of work: ${plural(same.length, 'worker')}` +
          `${first.runs === undefined ? '' : ` of ${first.runs.split(/[\\/]/).at(-1)}`} lived for ${durationText(life)} each, of which ` +
          `${durationText(start)} were the start.`,
        evidence: [count('workers', same.length), ns('life, median', life), ns('start, median', start)],
        costNs: starts.reduce((sum, each) => sum + each, 0),
        advice: 'Keep workers and send them the work: a pool (piscina, tinypool) does that.',
        at: { thread: first.parent ?? first.thread, from: first.from, to: same[same.length - 1].to },
      },
    ]
  })
}
