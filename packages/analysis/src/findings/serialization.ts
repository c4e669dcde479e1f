import { durationText } from '../quantity.js'
import type { Crew, Pool, Traffic } from '../model.js'
import {
  count,
  cpuWaitOfCrew,
  crewText,
  judged,
  judgedCrews,
  MS,
  ns,
  percent,
  whenTypical,
  whenOfCrew,
  workersOf,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { optionsOf } from './pool-options.js'

/** A message that takes so long to get through is large. */
const LARGE_NS = 0.5 * MS
const LEAST_NS = 50 * MS
/** Posting alone takes about half of it. */
const LARGE_POST_NS = LARGE_NS / 2
/** Messages that take less of a crew's time are not what it waits for. */
const LEAST_PART = 0.1

function adviceFor(transfer: string | undefined): string {
  return (
    `${transfer === undefined ? 'Share' : `Transfer ArrayBuffers (${transfer}) or share`} memory (SharedArrayBuffer) instead of ` +
    'copying, and send less: let the worker read what it needs.'
  )
}

/** How long large messages of a pool were on their way. */
export function messagesOf(facts: Facts, pool: Pool): number {
  const { serialize, reply } = pool
  const back = serialize.p50 >= LARGE_NS ? Math.max(serialize.sum, reply.count * reply.p50) : 0
  return thereOf(facts, pool) + back
}

/**
 * The way to the worker also has its waking up, and what else it does. Reading a message takes a
 * CPU: so it took no more than what the workers had of one outside of tasks.
 */
function thereOf(facts: Facts, pool: Pool): number {
  const { wake, run, tasksPerThread } = pool
  if (tasksPerThread > 1 || wake.p50 < LARGE_NS) return 0
  const there = wake.p50 * wake.count
  const workers = workersOf(facts, pool).filter(({ basis }) => basis === 'kernel')
  if (workers.length === 0) return there
  const onCpu = workers.reduce((sum, { onCpuNs, beforeTasks }) => sum + onCpuNs - beforeTasks.onCpuNs, 0)
  const outside = onCpu - run.sum
  return outside < LARGE_NS * wake.count ? 0 : Math.min(there, outside)
}

/** Getting messages through takes longer than the tasks. */
export const serialization: Finder = {
  id: 'serialization',
  judgesTime: true,
  find: (facts) => [...inPools(facts), ...inCrews(facts)],
}

function inPools(facts: Facts): Found[] {
  return judged(facts).flatMap((pool) => {
    const { run, wake, serialize, reply } = pool
    const cost = messagesOf(facts, pool)
    if (cost < run.sum || cost < LEAST_NS) return []
    return {
      about: pool,
      severity: 'problem',
      title:
        `Messages of ${pool.name} take longer than its tasks: a task runs for ${durationText(run.p50)}, ` +
        `getting its data there and back takes ${durationText(cost / Math.max(1, run.count))}.`,
      evidence: [
        ns('run time, median', run.p50),
        ns('dispatch to start, median', wake.p50),
        ns('posting the result, median', serialize.p50),
        ns('result to handler, median', reply.p50),
        ...(pool.size === 0 ? [] : [{ label: 'data of a task, median', value: pool.size, unit: 'bytes' }]),
        percent('messages, measured by run time', cost / Math.max(1, run.sum)),
      ],
      costNs: cost,
      advice: adviceFor(optionsOf(pool).transfer),
      at: whenTypical(pool),
    }
  })
}

function inCrews(facts: Facts): Found[] {
  return judgedCrews(facts).flatMap((crew) => {
    const { there, back, workers, activeNs } = crew
    const cost = largeMessagesOf(crew)
    const work = workers.reduce((sum, { workNs }) => sum + workNs, 0)
    // Of the time that posting took, a thread may have waited for a CPU.
    if (cost * (1 - cpuWaitOfCrew(crew)) < work || cost < LEAST_NS || cost < LEAST_PART * activeNs) return []
    return {
      about: crew,
      severity: 'problem',
      title:
        `Messages to and from ${crewText(crew)} take longer than the work: writing and reading them took ` +
        `${durationText(cost)}, the work on them ${durationText(work)}.`,
      evidence: [
        count('messages there', there.messages),
        count('messages back', back.messages),
        ns('posting there, median', there.post.p50),
        ns('posting back, median', back.post.p50),
        ns('work of the workers', work),
        percent('messages, measured by the work', cost / Math.max(1, work)),
      ],
      costNs: cost,
      advice: adviceFor('transferList'),
      at: whenOfCrew(crew),
    }
  })
}

/** How long large messages from and to a crew took to be written and read. */
export function largeMessagesOf({ there, back }: Crew): number {
  return costOf(there) + costOf(back)
}

/** How long large messages took to be written and read. */
function costOf({ post, readNs }: Traffic): number {
  return post.p50 >= LARGE_POST_NS ? post.sum + readNs : 0
}
