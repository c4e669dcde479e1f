/**
 * All that can be found in a recording. A finder looks for one thing; to add one, write it and put
 * it into this table.
 */
import type { Crew, Evidence, Finding, Pool } from '../model.js'
import {
  count,
  cpuWaitOf,
  cpuWaitOfCrew,
  crewText,
  judged,
  judgedCrews,
  ns,
  percent,
  percentText,
  plural,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { garbageCollection } from './garbage-collection.js'
import { idleWorker } from './idle-worker.js'
import { longTaskFirst } from './long-task-first.js'
import { mainStalled } from './main-stalled.js'
import { memoryLimit } from './memory-limit.js'
import { serialization } from './serialization.js'
import { tasksTooSmall } from './tasks-too-small.js'
import { tooFewThreads } from './too-few-threads.js'
import { tooManyThreads } from './too-many-threads.js'
import { uneven } from './uneven.js'
import { workerDied } from './worker-died.js'
import { workerStarts } from './worker-starts.js'

const FINDERS: readonly Finder[] = [
  workerDied,
  mainStalled,
  tooFewThreads,
  tooManyThreads,
  longTaskFirst,
  garbageCollection,
  serialization,
  tasksTooSmall,
  workerStarts,
  uneven,
  idleWorker,
  memoryLimit,
]
const NOTHING_WRONG = 'nothing-wrong'

/** The ids of all findings. */
export const FINDING_IDS: readonly string[] = [...FINDERS.map(({ id }) => id), NOTHING_WRONG]

const SEVERITIES: readonly Finding['severity'][] = ['problem', 'hint', 'ok']
/** A recording that lost a larger part of what it should have doesn't prove much. */
const FEW_LOSSES = 100
/** A machine on which tasks wait so much for a CPU is busy with other things. */
const TAKEN = 0.2

/** Returns what is found: problems first, of these the dearest first. */
export function findAll(facts: Facts): Finding[] {
  const thin = thinness(facts)
  const complete = (id: string, found: Found): Finding => ({
    id,
    ...found,
    // What is not proven is no more than a hint.
    severity: thin !== undefined && found.severity === 'problem' ? 'hint' : found.severity,
    ...(thin === undefined ? {} : { thin: found.thin === undefined ? thin : `${thin} ${found.thin}` }),
  })
  const findings = FINDERS.flatMap((finder) => finder.find(facts).map((found) => complete(finder.id, found)))
  if (findings.length === 0) {
    const fine = nothingWrong(facts)
    return fine === undefined ? [] : [complete(NOTHING_WRONG, fine)]
  }
  return findings.sort(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || b.costNs - a.costNs,
  )
}

function thinness({ losses }: Facts): string | undefined {
  const { events, packets, tasks } = losses
  if (events >= FEW_LOSSES || packets > 0) {
    return `The recording lost ${plural(events, 'event')} and ${plural(packets, 'packet')}.`
  }
  return tasks > 0 ? `${plural(tasks, 'task')} could not be followed: too many were open at once.` : undefined
}

function nothingWrong(facts: Facts): Found | undefined {
  const pools = judged(facts)
  const crews = judgedCrews(facts)
  if (pools.length + crews.length === 0) return undefined
  const names = [...pools.map(({ name }) => name), ...crews.map(crewText)]
  const knowsCpu = facts.threads.some(({ basis }) => basis === 'kernel')
  const taken = Math.max(
    0,
    ...pools.map((each) => cpuWaitOf(facts, each)?.part ?? 0),
    ...crews.map(cpuWaitOfCrew),
  )
  const shown = names.length > 3 ? `${names.length} pools` : names.join(' and ')
  return {
    severity: 'ok',
    title: `Nothing wrong was found in ${shown}${knowsCpu ? '' : '; the time on CPUs is not known on this system'}.`,
    evidence: pools.length > 0 ? poolEvidence(pools[0]) : crewEvidence(crews[0]),
    costNs: 0,
    advice: 'What takes time is the work of the tasks themselves: look at the slowest.',
    at: { from: facts.from, to: facts.to },
    ...(taken < TAKEN
      ? {}
      : {
          thin: `Tasks waited for a CPU in ${percentText(taken)} of their time: other programs had them. What needs idle CPUs is not judged then.`,
        }),
  }
}

function poolEvidence({ tasks, wait, run, activeNs, threadsAtOnce, tasksPerThread }: Pool): Evidence[] {
  const possible = Math.max(1, activeNs * Math.max(1, threadsAtOnce) * tasksPerThread)
  return [
    count('tasks', tasks),
    ns('queue wait, median', wait.p50),
    ns('run time, median', run.p50),
    percent('workers at work', Math.min(1, run.sum / possible)),
  ]
}

function crewEvidence({ there, back, workers, activeNs }: Crew): Evidence[] {
  const work = workers.reduce((sum, { workNs }) => sum + workNs, 0)
  return [
    count('messages there', there.messages),
    count('messages back', back.messages),
    ns('a message is on its way, median', there.wait.p50),
    ns('handling, median', there.handle.p50),
    percent('workers at work', Math.min(1, work / Math.max(1, activeNs * workers.length))),
  ]
}
