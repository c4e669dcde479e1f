/**
 * All that can be found in a recording. A finder looks for one thing; to add one, write it and put
 * it into this table.
 */
import type { Crew, Evidence, Finding, Pool } from '../model.js'
import {
  atWorkPart,
  blockedPart,
  count,
  cpusOf,
  cpusOfHelpers,
  cpuWaitOf,
  cpuWaitOfCrew,
  crewText,
  judged,
  judgedCrews,
  ns,
  percent,
  percentText,
  plural,
  startingPart,
  thinnessOf,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { garbageCollection } from './garbage-collection.js'
import { idleWorker } from './idle-worker.js'
import { longTaskFirst } from './long-task-first.js'
import { mainBusy } from './main-busy.js'
import { mainStalled } from './main-stalled.js'
import { memoryLimit } from './memory-limit.js'
import { serialization } from './serialization.js'
import { singleThread } from './single-thread.js'
import { tasksTooSmall } from './tasks-too-small.js'
import { tooFewThreads } from './too-few-threads.js'
import { tooManyThreads } from './too-many-threads.js'
import { uneven } from './uneven.js'
import { workerDied } from './worker-died.js'
import { workerStarts } from './worker-starts.js'

const FINDERS: readonly Finder[] = [
  workerDied,
  mainStalled,
  mainBusy,
  tooFewThreads,
  tooManyThreads,
  longTaskFirst,
  garbageCollection,
  serialization,
  tasksTooSmall,
  workerStarts,
  uneven,
  idleWorker,
  singleThread,
  memoryLimit,
]
const NO_CPU =
  'The recording does not have how long threads waited for a CPU: on a busy machine that may be the reason.'
const NOTHING_WRONG = 'nothing-wrong'

/** The ids of all findings. */
export const FINDING_IDS: readonly string[] = [...FINDERS.map(({ id }) => id), NOTHING_WRONG]

const SEVERITIES: readonly Finding['severity'][] = ['problem', 'hint', 'ok']
/** A recording that lost a larger part of what it should have doesn't prove much. */
const FEW_LOSSES = 100
/** Findings that others explain, of the same pool or thread: then these are said alone. */
const EXPLAINED_BY: Readonly<Record<string, readonly string[]>> = {
  'main-thread-busy': ['main-thread-stalled', 'serialization', 'tasks-too-small'],
  'idle-worker': ['main-thread-busy'],
  // Aborted tasks end workers.
  'worker-died': ['worker-starts'],
  'single-thread': ['main-thread-stalled', 'garbage-collection'],
}
/** Workers were starting for so much of the time. */
const STARTS = 0.3
/** Workers that have less than this part of the work that they can do wait for tasks. */
const FEW_TASKS = 0.5
/** Tasks that are blocked for so much of their time wait for something else than a CPU. */
const BLOCKED = 0.3
/** CPUs that threads without JavaScript use. */
const HELPERS = 0.5
/** Of the CPUs that other programs may use. */
const OTHERS_USE = 0.3
/** Of the CPUs: then the recorded processes have them, and not others. */
const OWN_USE = 0.8
/** A machine on which tasks wait so much for a CPU is busy with other things. */
const TAKEN = 0.2

/** Returns what is found: problems first, of these the dearest first. */
export function findAll(model: Facts): Finding[] {
  const facts = withProcesses(model)
  const thin = thinness(facts)
  const knowsCpu = facts.threads.some(({ basis }) => basis === 'kernel')
  const complete = (id: string, judgesTime: boolean, { about, ...found }: Found): Finding => {
    const little = [thin, judgesTime && about !== undefined ? thinnessOf(about) : undefined]
    const unknown = judgesTime && !knowsCpu ? NO_CPU : undefined
    const reasons = [...little, unknown, found.thin].filter((reason) => reason !== undefined)
    // What is not proven is no more than a hint.
    const isLittle = little.some((reason) => reason !== undefined)
    return {
      id,
      ...found,
      severity: isLittle && found.severity === 'problem' ? 'hint' : found.severity,
      ...(reasons.length === 0 ? {} : { thin: reasons.join(' ') }),
    }
  }
  const found = FINDERS.flatMap((finder) => finder.find(facts).map((each) => ({ finder, each })))
  const isExplained = ({ finder, each }: (typeof found)[number]): boolean =>
    found.some((other) => EXPLAINED_BY[finder.id]?.includes(other.finder.id) && areOfSame(other.each, each))
  const findings = found
    .filter((each) => !isExplained(each))
    .map(({ finder: { id, judgesTime }, each }) => complete(id, judgesTime, each))
  if (findings.length === 0) {
    const fine = nothingWrong(facts, knowsCpu)
    return fine === undefined ? [] : [complete(NOTHING_WRONG, false, fine)]
  }
  return findings.sort(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || b.costNs - a.costNs,
  )
}

/** Whether two findings are about one pool or crew, or, without one, about one thread. */
function areOfSame(a: Found, b: Found): boolean {
  return a.about === undefined && b.about === undefined ? a.at?.thread === b.at?.thread : a.about === b.about
}

/** Where several processes have pools or crews, their names tell of which they are. */
function withProcesses(model: Facts): Facts {
  const { pools, crews } = model
  if (new Set([...pools, ...crews].map(({ process }) => process)).size < 2) return model
  const named = <T extends Pool | Crew>(each: T): T => ({
    ...each,
    name: `${each.name} of process ${each.process.pid}`.trimStart(),
  })
  return { ...model, pools: pools.map(named), crews: crews.map(named) }
}

function thinness({ losses }: Facts): string | undefined {
  const { events, packets, tasks } = losses
  if (events >= FEW_LOSSES || packets > 0) {
    const lost = [
      ...(events > 0 ? [plural(events, 'event')] : []),
      ...(packets > 0 ? [plural(packets, 'packet')] : []),
    ]
    return `The recording lost ${lost.join(' and ')}.`
  }
  return tasks > 0 ? `${plural(tasks, 'task')} could not be followed: too many were open at once.` : undefined
}

function nothingWrong(facts: Facts, knowsCpu: boolean): Found | undefined {
  // Of tasks that ran in child processes nothing is known.
  const pools = judged(facts).filter(({ run }) => run.count > 0)
  const crews = judgedCrews(facts)
  if (pools.length + crews.length === 0) return undefined
  const names = [...pools.map(({ name }) => name), ...crews.map(crewText)]
  const taken = Math.max(
    0,
    ...pools.map((each) => cpuWaitOf(facts, each)?.part ?? 0),
    ...crews.map(cpuWaitOfCrew),
  )
  const longest = [...pools, ...crews].reduce((a, b) => (b.activeNs > a.activeNs ? b : a))
  const others = ofOthers(facts)
  const reasons = [
    thinnessOf(longest),
    taken < TAKEN
      ? undefined
      : `${pools.length > 0 ? 'Tasks' : 'Workers'} waited for a CPU in ${percentText(taken)} of their time${others === undefined ? `: ${takers(facts)}` : ''}.`,
    others,
    taken < TAKEN && others === undefined ? undefined : 'What needs idle CPUs is not judged then.',
  ].filter((reason) => reason !== undefined)
  const shown = names.length > 3 ? `${names.length} pools` : names.join(' and ')
  return {
    severity: 'ok',
    title: `Nothing wrong was found in ${shown}${knowsCpu ? '' : '; the time on CPUs is not known on this system'}.`,
    evidence: pools.length > 0 ? poolEvidence(facts, pools[0]) : crewEvidence(crews[0]),
    costNs: 0,
    advice: whereTimeGoes(facts, pools, crews),
    at: { from: facts.from, to: facts.to },
    ...(reasons.length === 0 ? {} : { thin: reasons.join(' ') }),
  }
}

/** Other programs had CPUs that this one left. */
function ofOthers({ cpus, cpuUse }: Facts): string | undefined {
  if (cpus === undefined || cpuUse?.idle === undefined) return undefined
  const theirs = cpus - cpuUse.used - cpuUse.idle
  return theirs < OTHERS_USE * cpus
    ? undefined
    : `Other programs had ${theirs.toFixed(1)} of ${plural(cpus, 'CPU')}.`
}

/** Who has the CPUs for which tasks waited. */
function takers(facts: Facts): string {
  const isOwn = judged(facts).some(({ process, span }) => {
    const cpus = cpusOf(facts, process)
    return cpus !== undefined && span.cpus !== undefined && span.cpus.used >= OWN_USE * cpus
  })
  return isOwn ? 'the program itself used all of them' : 'other programs had them'
}

const OF_TASKS = 'What takes time is the work of the tasks themselves: look at the slowest.'

const OF_MESSAGES =
  'What takes time is what the workers do with each message: rchan record --probe samples tells which functions it is.'

/** Where the time goes if nothing is wrong. */
function whereTimeGoes(facts: Facts, pools: readonly Pool[], crews: readonly Crew[]): string {
  if (pools.length + crews.length > 1)
    return 'What takes time is the work itself, or outside of the workers: see how long they were at work.'
  if (pools.length > 0) return whereTimeOfPoolGoes(facts, pools[0])
  const [crew] = crews
  const atWork = crewAtWork(crew)
  return atWork < FEW_TASKS ? tooLittle(atWork) : OF_MESSAGES
}

function tooLittle(atWork: number): string {
  return (
    `Its threads had nothing to do for ${percentText(1 - atWork)} of the time: what is slow is not their work, but what comes ` +
    'before and behind it.'
  )
}

function whereTimeOfPoolGoes(facts: Facts, pool: Pool): string {
  const starting = startingPart(facts, pool)
  if (starting >= STARTS) {
    return `Its workers were starting for ${percentText(starting)} of the time: a pool pays off for longer work, and if it is kept.`
  }
  const atWork = atWorkPart(facts, pool)
  if (atWork < FEW_TASKS) return tooLittle(atWork)
  const blocked = blockedPart(pool)
  if (blocked < BLOCKED) return OF_TASKS
  return (
    `Tasks were blocked for ${percentText(blocked)} of their time: they waited for a lock, a timer, a file or an answer, and not ` +
    `for a CPU.${
      cpusOfHelpers(facts, pool) < HELPERS
        ? ''
        : ' Threads without JavaScript were at work meanwhile: libuv has 4 for all of the process (UV_THREADPOOL_SIZE).'
    }`
  )
}

function poolEvidence(facts: Facts, pool: Pool): Evidence[] {
  return [
    count('tasks', pool.tasks),
    ns('queue wait, median', pool.wait.p50),
    ns('run time, median', pool.run.p50),
    percent('workers at work', atWorkPart(facts, pool)),
  ]
}

/** Which part of the time in which they could have been at work the workers of a crew were. */
function crewAtWork({ workers }: Crew): number {
  const work = workers.reduce((sum, { workNs }) => sum + workNs, 0)
  const there = workers.reduce((sum, { thereNs }) => sum + thereNs, 0)
  return Math.min(1, work / Math.max(1, there))
}

function crewEvidence(crew: Crew): Evidence[] {
  const { there, back } = crew
  return [
    count('messages there', there.messages),
    count('messages back', back.messages),
    ns('a message is on its way, median', there.wait.p50),
    ns('handling, median', there.handle.p50),
    percent('workers at work', crewAtWork(crew)),
  ]
}
