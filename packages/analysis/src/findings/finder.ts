/** What a finder is: it looks for one thing that can be wrong, in a model. */
import type { TraceProcess, TraceThread } from '@rchan/ctf/reader'
import type { Evidence, Finding, Model, Pool, ThreadUse } from '../model.js'

export const MS = 1e6

/** What finders look at. */
export type Facts = Omit<Model, 'findings'>

/** What a finder says. `id` and `thin` are put in for all. */
export type Found = Omit<Finding, 'id' | 'thin'>

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

/** How a thread is called in a sentence. */
export function threadText({ threadId, name }: TraceThread): string {
  if (threadId === 0) return 'the main thread'
  return name === '' ? `worker ${threadId}` : `worker ${threadId} (${name})`
}

/** The workers of a pool, as threads. */
export function workersOf({ threads }: Facts, pool: Pool): ThreadUse[] {
  const own = new Set(pool.workers.map(({ thread }) => thread))
  return threads.filter(({ thread }) => own.has(thread))
}

/** The part of the time in which the workers of a pool wanted a CPU that they waited for one. */
export function cpuWaitOf(facts: Facts, pool: Pool): { part: number; ns: number } | undefined {
  const workers = workersOf(facts, pool).filter(({ basis }) => basis === 'kernel')
  const waited = workers.reduce((sum, { waitingForCpuNs }) => sum + waitingForCpuNs, 0)
  const ran = workers.reduce((sum, { onCpuNs }) => sum + onCpuNs, 0)
  return waited + ran === 0 ? undefined : { part: waited / (waited + ran), ns: waited }
}

/** The CPUs that a process can use, if the recording has it. */
export function cpusOf({ processes, cpus }: Facts, process: TraceProcess): number | undefined {
  return processes.find((each) => each.process === process)?.cpus ?? cpus
}

export function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value))
}
