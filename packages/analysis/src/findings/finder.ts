/** What a finder is: it looks for one thing that can be wrong, in a model. */
import type { TraceProcess } from '@rchan/ctf/reader'
import type { Crew, Evidence, Finding, Model, Pool, Task, ThreadUse } from '../model.js'

export const MS = 1e6

/** What finders look at. */
export type Facts = Omit<Model, 'findings'>

/** What a finder says. `id` is put in for all, and what makes all of them thin. */
export type Found = Omit<Finding, 'id'>

/** Looks for one thing. */
export interface Finder {
  readonly id: string
  find(facts: Facts): Found[]
}

/** A pool that was used enough for a statement about its tasks. */
const FEWEST_TASKS = 10
const SHORTEST_NS = 100 * MS

/** The pools of which there is enough to judge. */
export function judged({ pools }: Facts): Pool[] {
  return pools.filter(({ tasks, activeNs }) => tasks >= FEWEST_TASKS && activeNs >= SHORTEST_NS)
}

/** The crews of which there is enough to judge. */
export function judgedCrews({ crews }: Facts): Crew[] {
  return crews.filter(
    ({ there, back, activeNs }) => there.messages + back.messages >= FEWEST_TASKS && activeNs >= SHORTEST_NS,
  )
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
  return `${number} ${one}${number === 1 ? '' : 's'}`
}

/** Where in the trace a pool was at work. */
export function whenOf({ from, to, submitter }: Pool): NonNullable<Finding['at']> {
  return { thread: submitter, from, to }
}

/**
 * Where in the trace something took longest, of the slowest tasks of a pool; where the pool was at
 * work if that isn't known.
 */
export function whenLongest(pool: Pool, part: (task: Task) => Finding['at']): NonNullable<Finding['at']> {
  const parts = pool.slowest.map(part).filter((at) => at !== undefined)
  return parts.reduce((a, b) => (b.to - b.from > a.to - a.from ? b : a), parts[0]) ?? whenOf(pool)
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
export function hasDied({ exit, exitCode, error }: ThreadUse): boolean {
  return (
    exit !== undefined && (error !== undefined || (exitCode !== undefined && !ORDERLY.includes(exitCode)))
  )
}

/** The CPUs that a process can use, if the recording has it. */
export function cpusOf({ processes, cpus }: Facts, process: TraceProcess): number | undefined {
  return processes.find((each) => each.process === process)?.cpus ?? cpus
}

export function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value))
}
