import type { Pool, ThreadUse } from '../model.js'
import { threadText } from '../thread-text.js'
import {
  count,
  cpusOf,
  cpuWaitOf,
  judged,
  MS,
  ns,
  percent,
  percentText,
  plural,
  whenOf,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { optionsOf } from './pool-options.js'

const WAITED = 0.2
const LEAST_NS = 100 * MS
/** Tasks that run for less are not what a thread computes. */
const SMALL_NS = 0.5 * MS
/** The recorded processes themselves use so much of the CPUs: it is not others that have them. */
const OWN_USE = 0.8
/** A thread that is on a CPU or wants one for so much of its life is at work. */
const AT_WORK = 0.25

/** More threads want a CPU than there are. */
export const tooManyThreads: Finder = {
  id: 'more-threads-than-cpus',
  judgesTime: true,
  find: (facts) => {
    const waiting = judged(facts).flatMap((pool) => {
      const cpus = cpusOf(facts, pool.process)
      const waited = cpuWaitOf(facts, pool)
      if (cpus === undefined || waited === undefined) return []
      return waited.part < WAITED || waited.ns < LEAST_NS ? [] : [{ pool, cpus, waited }]
    })
    const found = waiting.filter(({ pool, cpus }) => pool.threadsAtOnce > cpus).map(tooLarge)
    if (found.length > 0) return found
    // One is enough: the others compete with the same threads.
    const together = waiting
      .toSorted((a, b) => b.waited.ns - a.waited.ns)
      .flatMap((each) => withOthers(facts, each))
    return together.slice(0, 1)
  },
}

/** A pool whose tasks wait for CPUs. */
interface Waiting {
  readonly pool: Pool
  readonly cpus: number
  readonly waited: { readonly part: number; readonly ns: number }
}

function tooLarge({ pool, cpus, waited }: Waiting): Found {
  const threads = pool.threadsAtOnce
  return {
    about: pool,
    severity: 'problem',
    title:
      `${pool.name} has more threads than there are CPUs: its ${plural(threads, 'thread')} on ` +
      `${plural(cpus, 'CPU')} spent ${percentText(waited.part)} of their working time waiting for one.`,
    evidence: [
      count('threads', threads),
      count('CPUs', cpus),
      ns('waiting for a CPU, all threads', waited.ns),
      percent('part of the time at work', waited.part),
      ns('run time, median', pool.run.p50),
    ],
    costNs: waited.ns / Math.max(1, pool.run.count),
    isCostOfEach: true,
    advice:
      `Set ${optionsOf(pool).most} to ${cpus}${cpus > 1 ? ' or less' : ''}. More threads than CPUs make each task slower, and all ` +
      'of them no faster.',
    at: whenOf(pool),
  }
}

/** The pool has no more threads than there are CPUs, but others compute, too. */
function withOthers(facts: Facts, { pool, cpus, waited }: Waiting): Found[] {
  const { span, name, submitter, run } = pool
  if (span.cpus === undefined || span.cpus.used < OWN_USE * cpus) return []
  // Then it is their way that takes the CPUs.
  if (run.p50 < SMALL_NS) return []
  const atWork = facts.threads.filter((thread) => overlaps(thread, pool) && isAtWork(thread))
  if (atWork.length <= cpus) return []
  const processes = new Set(atWork.map(({ thread }) => thread.process)).size
  const isBySubmitter = processes === 1 && atWork.some(({ thread }) => thread === submitter)
  const who = isBySubmitter ? `${threadText(submitter)} among them` : `of ${processes} processes`
  return [
    {
      about: pool,
      severity: processes > 1 ? 'problem' : 'hint',
      title:
        `More threads compute than there are CPUs: ${atWork.length} on ${plural(cpus, 'CPU')}, ` +
        `${processes > 1 || isBySubmitter ? who : `and not only those of ${name}`}. The tasks of ${name} spent ` +
        `${percentText(waited.part)} of their working time waiting for one.`,
      evidence: [
        count('threads at work', atWork.length),
        count('processes', processes),
        count('CPUs', cpus),
        count('CPUs used', span.cpus.used),
        ns('waiting for a CPU, all threads', waited.ns),
        ...(isBySubmitter ? [percent(`${threadText(submitter)} on a CPU`, partOf(span))] : []),
      ],
      costNs: waited.ns / Math.max(1, pool.run.count),
      isCostOfEach: true,
      advice:
        processes > 1
          ? `Share the CPUs among the processes: give the pool of each fewer threads (${optionsOf(pool).most}).`
          : `Leave a CPU to the others (${optionsOf(pool).most}: ${Math.max(1, cpus - 1)})` +
            `${isBySubmitter ? `, or move what ${threadText(submitter)} computes into tasks` : ''}.`,
      at: whenOf(pool),
    },
  ]
}

function overlaps({ from, to }: ThreadUse, pool: Pool): boolean {
  return from < pool.to && to > pool.from
}

function isAtWork({ from, to, onCpuNs, waitingForCpuNs }: ThreadUse): boolean {
  return onCpuNs + waitingForCpuNs >= AT_WORK * Number(to - from)
}

function partOf({ ns: length, submitterOnCpuNs }: Pool['span']): number {
  return Math.min(1, submitterOnCpuNs / Math.max(1, length))
}
