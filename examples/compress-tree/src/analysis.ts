/**
 * Turns the records of a trace into tasks and threads: how long each task waited and ran, and on
 * which thread.
 *
 * Pure functions over the reader's records. Times are nanoseconds from the first record of the
 * trace. A value whose record was lost is undefined; nothing is guessed.
 */
import type { TraceRecord } from 'rchan/reader'

/** A task of the pool. */
export interface Task {
  readonly task: number
  /** The name of its kind of tasks. */
  kind: string
  path: string
  submitNs: number | undefined
  startNs: number | undefined
  endNs: number | undefined
  /** The thread that ran it; undefined if it never started. */
  thread: Thread | undefined
  bytesIn: number
  bytesOut: number
  ok: boolean
}

/** A thread that wrote records: one generation of a CPU. */
export interface Thread {
  readonly cpu: number
  readonly generation: number
  /** Node's number of the thread. */
  readonly threadId: number
  /** Time of its first record. */
  readonly onlineNs: number
  /** Time of its last record, or of its end by the pool. */
  offlineNs: number
  /** Whether the pool ended it during the recording. */
  ended: boolean
  events: number
}

/** A phase of the job: it lasts until the next one begins. */
export interface Phase {
  readonly name: string
  readonly startNs: number
  endNs: number
}

/** The content of a trace of the pool. */
export interface Analysis {
  /** Number of all records, including those of other tracepoints. */
  readonly events: number
  /** The trace clock's time of the first record. */
  readonly originNs: bigint
  /** Time of the last record. */
  readonly endNs: number
  /** In the order of their first records. */
  readonly tasks: readonly Task[]
  /** By CPU, then by generation. */
  readonly threads: readonly Thread[]
  readonly phases: readonly Phase[]
}

/** A task whose start and end are known. */
export type RunTask = Task & { readonly startNs: number; readonly endNs: number; readonly thread: Thread }
/** A task whose submit is known. */
export type SubmittedTask = Task & { readonly submitNs: number }
/** A task whose submit and start are known. */
export type WaitedTask = Task & { readonly submitNs: number; readonly startNs: number }

/** Reads a trace. @param records in the order of time. */
export function analyse(records: Iterable<TraceRecord>): Analysis {
  const tasks = new Map<number, Task>()
  const threads = new Map<string, Thread>()
  const phases: Phase[] = []
  let events = 0
  let originNs: bigint | undefined
  let nowNs = 0

  const taskOf = (number: unknown): Task => {
    const task = number as number
    let known = tasks.get(task)
    if (known === undefined) {
      known = {
        task,
        kind: '',
        path: '',
        submitNs: undefined,
        startNs: undefined,
        endNs: undefined,
        thread: undefined,
        bytesIn: 0,
        bytesOut: 0,
        ok: false,
      }
      tasks.set(task, known)
    }
    return known
  }

  for (const { time, cpu, generation, threadId, event, fields } of records) {
    originNs ??= time
    nowNs = Number(time - originNs)
    events += 1
    const key = `${cpu}.${generation}`
    let thread = threads.get(key)
    if (thread === undefined) {
      thread = {
        cpu,
        generation,
        threadId,
        onlineNs: nowNs,
        offlineNs: nowNs,
        ended: false,
        events: 0,
      }
      threads.set(key, thread)
    }
    thread.events += 1
    thread.offlineNs = Math.max(thread.offlineNs, nowNs)

    switch (event.name) {
      case 'pool:submit': {
        const task = taskOf(fields.task)
        task.kind = fields.kind as string
        task.path = fields.path as string
        task.submitNs = nowNs
        break
      }
      case 'pool:start': {
        const task = taskOf(fields.task)
        task.kind = fields.kind as string
        task.path = fields.path as string
        task.startNs = nowNs
        task.thread = thread
        break
      }
      case 'pool:end': {
        const task = taskOf(fields.task)
        task.path = fields.path as string
        task.endNs = nowNs
        task.bytesIn = fields.bytesIn as number
        task.bytesOut = fields.bytesOut as number
        task.ok = fields.ok as boolean
        break
      }
      case 'pool:offline':
        for (const other of threads.values()) {
          if (other.threadId !== fields.threadId) continue
          other.offlineNs = nowNs
          other.ended = true
        }
        break
      case 'job:phase': {
        const last = phases.at(-1)
        if (last !== undefined) last.endNs = nowNs
        phases.push({ name: fields.name as string, startNs: nowNs, endNs: nowNs })
        break
      }
      default:
    }
  }
  const lastPhase = phases.at(-1)
  if (lastPhase !== undefined) lastPhase.endNs = nowNs
  return {
    events,
    originNs: originNs ?? 0n,
    endNs: nowNs,
    tasks: [...tasks.values()],
    threads: [...threads.values()].sort((a, b) => a.cpu - b.cpu || a.generation - b.generation),
    phases,
  }
}

export function hasRun(task: Task): task is RunTask {
  return task.startNs !== undefined && task.endNs !== undefined && task.thread !== undefined
}

export function hasSubmit(task: Task): task is SubmittedTask {
  return task.submitNs !== undefined
}

export function hasWaited(task: Task): task is WaitedTask {
  return task.submitNs !== undefined && task.startNs !== undefined
}

/** Number of tasks that were submitted but not yet started, over time. */
export function waitingOverTime(tasks: readonly Task[]): { atNs: number; count: number }[] {
  const changes = tasks
    .filter(hasWaited)
    .flatMap(({ submitNs, startNs }) => [
      { atNs: submitNs, by: 1 },
      { atNs: startNs, by: -1 },
    ])
    .sort((a, b) => a.atNs - b.atNs || b.by - a.by)
  let count = 0
  return changes.map(({ atNs, by }) => ({ atNs, count: (count += by) }))
}

/** Median, 99th percentile and maximum. */
export interface Spread {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** @returns undefined if there are no values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99), max: sorted[sorted.length - 1] }
}

/**
 * Returns the smallest value that is not less than `percent` of all values (nearest rank). It is
 * always one of the values.
 *
 * @param sorted ascending, not empty.
 */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
}
