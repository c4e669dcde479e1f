import type { Pool } from '../model.js'
import {
  capital,
  clamp,
  count,
  cpusOf,
  cpuWaitOf,
  cpuWaitOfCrew,
  crewText,
  idleCpus,
  judged,
  judgedCrews,
  MS,
  ns,
  percent,
  percentText,
  plural,
  whenOf,
  whenOfCrew,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { optionsOf } from './pool-options.js'

/** A queue for so much of the pool's time. */
const QUEUED_PART = 0.2
/** The workers have so much of what they can take. */
const FULL = 0.85
/** The workers are in tasks for so much of their time; else something else is too slow for them. */
const IN_TASKS = 0.6
const IDLE_PART = 0.3
const LEAST_IDLE = 0.5
const MOST_CPU_WAIT = 0.2
/** So many messages wait for the workers of a crew, on average. */
const LEAST_WAITING = 1
/** Tasks that are less on a CPU wait for other things. */
const AT_WORK = 0.5
/** Tasks that are this much on a CPU don't wait for other things. */
const ALWAYS_AT_WORK = 0.8
/** Several threads use one CPU together, give or take this part of it. */
const NEARLY_ONE = 0.12

/** Tasks are queued, all workers have tasks, and CPUs are idle. */
export const tooFewThreads: Finder = {
  id: 'too-few-threads',
  judgesTime: true,
  find: (facts) => [...inPools(facts), ...inCrews(facts)],
}

function inPools(facts: Facts): Found[] {
  return judged(facts).flatMap((pool) => {
    const { backlog, activeNs, name, tasksPerThread, threadsAtOnce, maxThreads, parts, run } = pool
    const cpus = cpusOf(facts, pool.process)
    const threads = Math.max(1, threadsAtOnce)
    if (cpus === undefined || backlog.cpus === undefined || threads >= 4 * cpus) return []
    if (backlog.ns < QUEUED_PART * activeNs || backlog.ns < 100 * MS) return []
    if (backlog.running < FULL * threads * tasksPerThread) return []
    if (run.sum < IN_TASKS * activeNs * threads * tasksPerThread) return []
    // It may start more: then they come late, which is another thing.
    if (maxThreads !== undefined && threads < maxThreads) return []
    // The samples may come late; the tasks' own figures don't.
    // Of several tasks at once in a thread each has the figures of that thread.
    const ofTasks = tasksPerThread > 1 ? 0 : (parts.onCpu + parts.gc) / activeNs
    const used = Math.max(backlog.cpus.used, ofTasks)
    const idle = idleCpus(cpus, { ...backlog.cpus, used })
    if (idle < Math.max(LEAST_IDLE, IDLE_PART * cpus)) return []
    if ((cpuWaitOf(facts, pool)?.part ?? 0) > MOST_CPU_WAIT) return []
    const known = run.sum - parts.unknown
    const atWork = known > 0 ? (parts.onCpu + parts.gc) / known : 1
    const possible = threads + idle / clamp(known > 0 ? atWork : used / threads, 0.05, 1)
    const waitsForOneAnother = threads > 1 && atWork < ALWAYS_AT_WORK && Math.abs(ofTasks - 1) < NEARLY_ONE
    return {
      about: pool,
      severity: waitsForOneAnother ? 'hint' : 'problem',
      title:
        `${name} has too few threads: on average ${Math.round(backlog.queued)} tasks were queued ` +
        `for its ${plural(threads, 'thread')} while ${idle.toFixed(1)} of ${plural(cpus, 'CPU')} were idle.`,
      evidence: [
        percent('time with a queue', backlog.ns / activeNs),
        count('tasks queued, mean', backlog.queued),
        count('longest queue', backlog.longest),
        count('threads', threads),
        count('CPUs', cpus),
        count('CPUs used meanwhile', used),
        ns('queue wait, median', pool.wait.p50),
      ],
      costNs: backlog.ns * (1 - threads / possible),
      advice:
        atWork >= ALWAYS_AT_WORK
          ? `Raise ${optionsOf(pool).most} to about ${mostUseful(possible, cpus)}.`
          : adviceForBlocked(pool, atWork, mostUseful(possible, cpus), waitsForOneAnother),
      at: whenOf(pool),
    }
  })
}

/** Tasks that wait for something else than a CPU. */
function adviceForBlocked(pool: Pool, atWork: number, threads: number, waitsForOneAnother: boolean): string {
  const { most, atOnce } = optionsOf(pool)
  const blocked = `Tasks are on a CPU for only ${percentText(atWork)} of their time`
  if (waitsForOneAnother) {
    return (
      `${blocked}, and together they use just one CPU, as if they waited for each other: see whether they hold a lock while ` +
      `they compute. If not, raise ${most}.`
    )
  }
  return (
    `${blocked}. If they wait for something that only one can have, a lock for one, more threads do not help. Otherwise raise ` +
    `${most}${atWork >= AT_WORK ? ` to about ${threads}` : ''}` +
    `${atOnce === undefined ? '' : `, or, if they are asynchronous, how many a thread has at once (${atOnce})`}. ` +
    'Asynchronous crypto, zlib and file functions run on 4 threads, whatever the pool has: UV_THREADPOOL_SIZE.'
  )
}

/** Threads that are on a CPU nearly all the time are useful up to one for each. */
function mostUseful(possible: number, cpus: number): number {
  // What one of them leaves idle is no reason for a thread more.
  return Math.max(1, possible <= cpus + 0.5 ? Math.min(cpus, Math.ceil(possible)) : Math.ceil(possible))
}

function inCrews(facts: Facts): Found[] {
  return judgedCrews(facts).flatMap((crew) => {
    const { there, activeNs, workers, process } = crew
    const cpus = cpusOf(facts, process)
    const threads = workers.length
    const { cpuUse } = facts
    if (cpus === undefined || cpuUse === undefined || threads >= 4 * cpus) return []
    // All are at work, and messages wait for them.
    const atWork = workers.reduce((sum, { workNs }) => sum + workNs, 0) / (activeNs * threads)
    const waiting = there.wait.sum / activeNs
    if (atWork < FULL || waiting < LEAST_WAITING) return []
    // All that was used may have been used meanwhile.
    const used = (cpuUse.used * Number(facts.to - facts.from)) / activeNs
    const idle = idleCpus(cpus, { ...cpuUse, used })
    if (idle < Math.max(LEAST_IDLE, IDLE_PART * cpus) || cpuWaitOfCrew(crew) > MOST_CPU_WAIT) return []
    const perThread = clamp(
      workers.reduce((sum, { onCpuNs }) => sum + onCpuNs, 0) / activeNs / threads,
      0.05,
      1,
    )
    const possible = threads + idle / perThread
    return {
      about: crew,
      severity: 'problem',
      title:
        `${capital(crewText(crew))} ${threads === 1 ? 'is' : 'are'} too few: on average ${Math.round(waiting)} messages ` +
        `waited for ${threads === 1 ? 'it' : 'them'} while ${idle.toFixed(1)} of ${plural(cpus, 'CPU')} were idle.`,
      evidence: [
        percent('workers at work', atWork),
        count('messages that waited, mean', waiting),
        ns('wait for a worker, median', there.wait.p50),
        count('workers', threads),
        count('CPUs', cpus),
      ],
      costNs: activeNs * (1 - threads / possible),
      advice:
        perThread >= AT_WORK
          ? `Start about ${mostUseful(possible, cpus)} workers, and give the next piece to the one that is free: a ` +
            'pool (piscina, tinypool) does that.'
          : `Workers are on a CPU for only ${percentText(perThread)} of their time: start more, or let each do several things ` +
            'at once.',
      at: whenOfCrew(crew),
    }
  })
}
