/** What a finder is: it looks for one thing that can be wrong, in a model. */
import type { TraceProcess } from '@rchan/ctf/reader'
import type { CpusUsed, Crew, Evidence, Finding, Model, Pool, ThreadUse } from '../model.js'
import { durationText, numberText } from '../quantity.js'
import { isSilent } from '../thread-text.js'

export const MS = 1e6

/** What finders look at. */
export type Facts = Omit<Model, 'findings'>

/** What a finder says. `id` is put in for all, and what makes all of them thin. */
export interface Found extends Omit<Finding, 'id'> {
  /** What it is about. */
  readonly about?: Pool | Crew
}

/** Looks for one thing. */
export interface Finder {
  readonly id: string
  /** Whether it judges how long things took. On a busy machine they take longer. */
  readonly judgesTime: boolean
  find(facts: Facts): Found[]
}

/** A pool that was used enough for a statement about its tasks. */
const FEWEST_TASKS = 10
const SHORTEST_NS = 100 * MS
/** So few are enough if they took so long. */
const FEWEST_LONG_TASKS = 2
const LONG_NS = 1000 * MS
/** Of a shorter time there are few samples of what CPUs did. */
const SHORT_NS = 200 * MS
/** Tasks without an end that are no exception. */
const CUT_PART = 0.1

function isEnough(tasks: number, activeNs: number): boolean {
  return (
    (tasks >= FEWEST_TASKS && activeNs >= SHORTEST_NS) || (tasks >= FEWEST_LONG_TASKS && activeNs >= LONG_NS)
  )
}

/** The pools of which there is enough to judge. */
export function judged({ pools }: Facts): Pool[] {
  return pools.filter(({ tasks, activeNs }) => isEnough(tasks, activeNs))
}

/**
 * The crews of which there is enough to judge. Of a worker that tells nothing nobody knows what it
 * does.
 */
export function judgedCrews({ crews }: Facts): Crew[] {
  return crews.filter(
    ({ there, back, activeNs, workers }) =>
      isEnough(there.messages + back.messages, activeNs) && !workers.some(({ thread }) => isSilent(thread)),
  )
}

/** Why little is known of a pool or a crew; undefined if enough is. */
export function thinnessOf(about: Pool | Crew): string | undefined {
  const { activeNs } = about
  if (activeNs < SHORT_NS) return `It had work for only ${durationText(activeNs)}.`
  if (!('cut' in about) || about.cut < CUT_PART * about.tasks) return undefined
  return `${plural(about.cut, 'task')} of ${about.tasks} had no end in the recording.`
}

export function ns(label: string, value: number): Evidence {
  return { label, value: Math.round(value), unit: 'ns' }
}

export function count(label: string, value: number): Evidence {
  return { label, value: Math.round(value * 100) / 100, unit: '' }
}

export function percent(label: string, part: number): Evidence {
  return { label, value: Math.round(part * 1000) / 10, unit: '%' }
}

export function percentText(part: number): string {
  return `${Math.round(part * 100)} %`
}

export function plural(number: number, one: string): string {
  return `${numberText(number)} ${one}${number === 1 ? '' : 's'}`
}

/** Where in the trace a pool was at work. */
export function whenOf({ from, to, submitter }: Pool): NonNullable<Finding['at']> {
  return { thread: submitter, from, to }
}

/**
 * Where in the trace the longest run of a pool was, of its slowest tasks; where the pool was at
 * work if that isn't known.
 */
export function whenLongestRan(pool: Pool): NonNullable<Finding['at']> {
  let at = whenOf(pool)
  let longest = 0n
  for (const { worker: thread, started: from, finished: to } of pool.slowest) {
    if (thread === undefined || from === undefined || to === undefined || to - from <= longest) continue
    longest = to - from
    at = { thread, from, to }
  }
  return at
}

/** So many tasks, one after the other, show how each is. */
const TYPICAL_TASKS = 5

/** Where in the trace a pool had a few tasks, each of which had its fault. */
export function whenTypical(pool: Pool): NonNullable<Finding['at']> {
  const { slowest, wake, run, reply, submitter, to } = pool
  const from = slowest[slowest.length >> 1]?.dispatched
  if (from === undefined) return whenOf(pool)
  const end = from + BigInt(Math.ceil(TYPICAL_TASKS * (wake.p50 + run.p50 + reply.p50)))
  return { thread: submitter, from, to: end < to ? end : to }
}

/** How a crew is called in a sentence: `the 2 workers of resize.mjs`. */
export function crewText({ name, workers }: Crew): string {
  const who = workers.length === 1 ? 'the worker' : `the ${workers.length} workers`
  return name === '' ? who : `${who} of ${name}`
}

/** The same text, at the beginning of a sentence. */
export function capital(text: string): string {
  return text[0].toUpperCase() + text.slice(1)
}

/** Where in the trace a crew was at work. */
export function whenOfCrew({ from, to, parent }: Crew): NonNullable<Finding['at']> {
  return { thread: parent, from, to }
}

/** The workers of a pool, as threads. */
export function workersOf({ threads }: Facts, pool: Pool): ThreadUse[] {
  const own = new Set(pool.workers.map(({ thread }) => thread))
  return threads.filter(({ thread }) => own.has(thread))
}

/**
 * How long the tasks of a pool waited for a CPU, and which part of their time that is. Undefined if
 * it isn't known.
 */
export function cpuWaitOf(facts: Facts, pool: Pool): { part: number; ns: number } | undefined {
  const { parts, run } = pool
  const known = run.sum - parts.unknown
  if (known > 0.5 * run.sum) {
    const part = parts.waitingForCpu / known
    return { part, ns: part * run.sum }
  }
  // Of short tasks the figures of the threads tell. They are at work when they want a CPU.
  const workers = workersOf(facts, pool).filter(({ basis }) => basis === 'kernel')
  let [waited, ran] = [0, 0]
  for (const { waitingForCpuNs, onCpuNs, beforeTasks } of workers) {
    waited += waitingForCpuNs - beforeTasks.waitingForCpuNs
    ran += onCpuNs - beforeTasks.onCpuNs
  }
  return waited + ran <= 0 ? undefined : { part: waited / (waited + ran), ns: waited }
}

/** Which part of their working time the workers of a crew waited for a CPU. */
export function cpuWaitOfCrew({ workers }: Crew): number {
  let [waited, ran, worked] = [0, 0, 0]
  for (const { onCpuNs, waitingForCpuNs, workNs } of workers) {
    waited += waitingForCpuNs
    ran += onCpuNs
    worked += workNs
  }
  return waited / Math.max(1, waited + ran, worked)
}

/** `terminate()` ends a worker with 1. */
const ORDERLY = [0, 1]

/** Whether a worker ended by an error. */
export function hasDied({ exit, exitCode, error, endedItself }: ThreadUse): boolean {
  return (
    exit !== undefined &&
    (error !== undefined || endedItself === true || (exitCode !== undefined && !ORDERLY.includes(exitCode)))
  )
}

const OF_MEMORY = /memory limit|out of memory/i

/** Whether a worker ended because its heap was full. */
export function diedOfMemory({ error = '' }: ThreadUse): boolean {
  return OF_MEMORY.test(error)
}

/** The CPUs that a process can use, if the recording has it. */
export function cpusOf({ processes, cpus }: Facts, process: TraceProcess): number | undefined {
  return processes.find((each) => each.process === process)?.cpus ?? cpus
}

/**
 * How many CPUs a process might have used beside what was used: no more than the machine had idle.
 */
export function idleCpus(cpus: number, { used, idle = Infinity }: CpusUsed): number {
  return Math.max(0, Math.min(cpus - used, idle))
}

/**
 * Which part of the time in which they could have run tasks the workers of a pool did: that from
 * their start on, while the pool had any.
 */
export function atWorkPart(facts: Facts, pool: Pool): number {
  const { run, tasksPerThread } = pool
  const { started } = timeOfWorkers(facts, pool)
  return Math.min(1, run.sum / Math.max(1, started * tasksPerThread))
}

/** Which part of the time in which a pool had workers these were starting. */
export function startingPart(facts: Facts, pool: Pool): number {
  const { starting, started } = timeOfWorkers(facts, pool)
  return starting / Math.max(1, starting + started)
}

/** How long the workers of a pool were starting, and there, while the pool had tasks. */
function timeOfWorkers(facts: Facts, pool: Pool): { starting: number; started: number } {
  const end = Number(pool.to - pool.from)
  const within = (time: number): number => clamp(time, 0, end)
  let [starting, started] = [0, 0]
  for (const { spawned, ready, online, from, to, loadNs } of workersOf(facts, pool)) {
    const born = within(Number((spawned ?? from) - pool.from))
    const died = within(Number(to - pool.from))
    const there = clamp(Number((ready ?? online ?? from) - pool.from) + loadNs, born, Math.max(born, died))
    starting += there - born
    started += Math.max(0, died - there)
  }
  return { starting, started }
}

/** Which part of their run time the tasks of a pool were blocked. */
export function blockedPart({ run, parts }: Pool): number {
  const known = run.sum - parts.unknown
  return known > 0.5 * run.sum ? parts.blocked / known : 0
}

/**
 * CPUs that threads without JavaScript used, at least, while a pool was there: libuv's for crypto,
 * zlib and files, those of native addons, V8's.
 */
export function cpusOfHelpers({ threads }: Facts, { span }: Pool): number {
  if (span.cpus === undefined || span.ns === 0) return 0
  const ran = threads.reduce((sum, { onCpuNs }) => sum + onCpuNs, 0)
  return Math.max(0, span.cpus.used - ran / span.ns)
}

export function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value))
}
