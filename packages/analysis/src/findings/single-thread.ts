import type { ThreadUse } from '../model.js'
import {
  count,
  cpusOf,
  idleCpus,
  ns,
  percent,
  percentText,
  plural,
  type Facts,
  type Finder,
} from './finder.js'
import { durationText } from '../quantity.js'

/** The least that is worth a thought. */
const LEAST_NS = 1e9
/** Of the time in which the thread had a CPU or wanted none. */
const BUSY = 0.85
/** What all workers do, of what the main thread does. */
const WORKERS_PART = 0.1
/** The process was there for most of the recording: else nobody knows which CPUs it left idle. */
const MOST_OF_IT = 0.5
const IDLE_PART = 0.3
const LEAST_IDLE = 0.5

/** One thread does all the work, and CPUs idle. */
export const singleThread: Finder = {
  id: 'single-thread',
  judgesTime: true,
  find(facts) {
    const [main] = facts.threads
      .filter((use) => use.role === 'main' && isAlone(facts, use))
      .toSorted((a, b) => b.onCpuNs - a.onCpuNs)
    if (main === undefined || facts.cpuUse === undefined) return []
    const { thread, onCpuNs, gcNs, waitingForCpuNs, from, to, sampled } = main
    const cpus = cpusOf(facts, thread.process)
    const life = Number(to - from)
    if (cpus === undefined || cpus < 2 || onCpuNs < LEAST_NS || onCpuNs < BUSY * (life - waitingForCpuNs))
      return []
    if (life < MOST_OF_IT * Number(facts.to - facts.from)) return []
    const idle = idleCpus(cpus, facts.cpuUse)
    if (idle < Math.max(LEAST_IDLE, IDLE_PART * cpus)) return []
    const busy = Math.min(1, onCpuNs / life)
    const hottest = sampled?.functions.find(({ name }) => !name.startsWith('('))
    return [
      {
        severity: 'hint',
        title:
          `One thread does all the work: the main thread was on a CPU for ${percentText(busy)} of ${durationText(life)}, while ` +
          `${idle.toFixed(1)} of ${plural(cpus, 'CPU')} were idle.`,
        evidence: [
          ns('main thread on a CPU', onCpuNs),
          percent('part of its time', busy),
          ns('of this, garbage collection', gcNs),
          count('CPUs', cpus),
          count('CPUs idle, mean', idle),
          ...(hottest === undefined || sampled === undefined
            ? []
            : [
                percent(
                  `in ${hottest.name === '' ? 'a function' : hottest.name} itself`,
                  hottest.selfNs / sampled.ns,
                ),
              ]),
        ],
        costNs: 0,
        advice:
          'If a part of it needs little of what the rest has in memory, worker threads can do it meanwhile (a pool: piscina, ' +
          `tinypool). ${sampled === undefined ? 'rchan record --probe samples tells which functions take the time.' : 'The table of functions says what takes the time.'}`,
        at: { thread, from, to },
      },
    ]
  },
}

/** Whether no worker of a process does anything that matters. */
function isAlone({ threads }: Facts, { thread: { process }, onCpuNs }: ThreadUse): boolean {
  const workers = threads.filter(({ thread, role }) => role === 'worker' && thread.process === process)
  // What others than the kernel tell of is less than what they did.
  if (workers.some(({ basis, isProbed }) => isProbed && basis !== 'kernel')) return false
  return workers.reduce((sum, use) => sum + use.onCpuNs, 0) <= WORKERS_PART * onCpuNs
}
