/**
 * The envelopes of tasks: what pools post to a worker and back. Their own properties are told from
 * the outside. piscina and tinypool: `taskId` in both, `filename` beside the task, `error` beside
 * the result. Pools that call functions by their names:
 *
 * - workerpool: `{ id, method, params }` and `{ id, result, error }`;
 * - jest-worker: `[1, …, method, args]` and `[code, …]`, one at a time;
 * - poolifier: `{ taskId, name, data, timestamp, … }` and `{ taskId, data | workerError, … }`.
 */

/** The property that carries the task's number to the worker. */
const NUMBER = 'rchan:task'

/** A task on its way to a worker. */
export interface TaskEnvelope {
  readonly taskId: number
  readonly filename: string
  readonly name: string
  readonly task: unknown
  [NUMBER]?: unknown
}

/** A result on its way back. */
export interface ReplyEnvelope {
  readonly taskId: number
  readonly error: unknown
}

/** What a message of piscina or tinypool is, as far as its own properties tell. */
export const SORT = { other: 0, task: 1, reply: 2 } as const
export type Sort = (typeof SORT)[keyof typeof SORT]

/**
 * Tells what a message is: the same on both sides, because these properties are posted along. For
 * each message that passes: it makes no object. Getters of the program may throw.
 */
export function sortOf(message: unknown): Sort {
  if (typeof message !== 'object' || message === null) return SORT.other
  try {
    const { taskId } = message as Partial<TaskEnvelope>
    if (typeof taskId !== 'number') return SORT.other
    const { filename, name } = message as Partial<TaskEnvelope>
    if (typeof filename === 'string' && typeof name === 'string' && 'task' in message) return SORT.task
    return 'result' in message && 'error' in message ? SORT.reply : SORT.other
  } catch {
    return SORT.other
  }
}

/** A task that is a call of a function by its name. */
export interface Call {
  readonly kind: 'workerpool' | 'jest-worker' | 'poolifier'
  /** What its reply has, too; undefined where the worker has one task at a time. */
  readonly key: unknown
  readonly name: string
  readonly args: unknown
  /** When it was submitted, if it says so. */
  readonly timestamp: unknown
  readonly envelope: Envelope
}

/** A message that carries a task's number. An array can, too: beside its elements. */
export interface Envelope {
  [NUMBER]?: unknown
}

/** A reply of any pool. */
export interface Reply {
  readonly key: unknown
  readonly hasFailed: boolean
}

// What jest-worker posts: a call, and the replies to one.
const JEST_CALL = 1
const JEST_DONE = 0
const JEST_REPLIES: readonly unknown[] = [JEST_DONE, 1, 2]

/** Returns a message as a call, if it may be one. */
export function callIn(message: unknown): Call | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  if (Array.isArray(message)) {
    const [code, , name, args] = message as unknown[]
    if (code !== JEST_CALL || typeof name !== 'string' || !Array.isArray(args)) return undefined
    const envelope = message as Envelope
    return { kind: 'jest-worker', key: undefined, name, args, timestamp: undefined, envelope }
  }
  const envelope = message as Envelope
  if ('method' in message && 'params' in message) {
    const {
      id: key,
      method: name,
      params: args,
    } = message as { id?: unknown; method: unknown; params: unknown }
    if (typeof key !== 'number' || typeof name !== 'string') return undefined
    return { kind: 'workerpool', key, name, args, timestamp: undefined, envelope }
  }
  if ('taskId' in message && 'timestamp' in message && 'data' in message) {
    const { taskId: key, timestamp, data: args } = message
    const { name = 'default' } = message as { name?: unknown }
    if (typeof key !== 'string' || typeof timestamp !== 'number' || typeof name !== 'string') return undefined
    return { kind: 'poolifier', key, name, args, timestamp, envelope }
  }
  return undefined
}

/** Returns a message as a reply of any pool, if it may be one. */
export function replyIn(message: unknown): Reply | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  if (Array.isArray(message)) {
    const [code] = message as unknown[]
    return JEST_REPLIES.includes(code) ? { key: undefined, hasFailed: code !== JEST_DONE } : undefined
  }
  const { id, taskId, error, workerError } = message as Record<string, unknown>
  const hasFailed = (error ?? workerError ?? undefined) !== undefined
  if (typeof taskId === 'string') return { key: taskId, hasFailed }
  if (!('result' in message && 'error' in message)) return undefined
  const key = typeof taskId === 'number' ? taskId : id
  return typeof key === 'number' ? { key, hasFailed } : undefined
}

/** Puts a task's number into its envelope. */
export function setNumber(envelope: Envelope, number: number): void {
  envelope[NUMBER] = number
}

/** The number in a message; undefined if it is no task, or its submitting side is not watched. */
export function numberIn(message: unknown): number | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const number = (message as Envelope)[NUMBER]
  return typeof number === 'number' ? number : undefined
}

/** The names of a thread's tasks: most tasks are called as the one before. */
let latest = { filename: '', name: 'default', text: '' }

/** What a task is called: its file, and its function if that is not the default one. */
export function taskName(filename: string, name: string): string {
  if (filename !== latest.filename || name !== latest.name) {
    latest = { filename, name, text: nameOf(filename, name) }
  }
  return latest.text
}

function nameOf(filename: string, name: string): string {
  const file = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
  return name === 'default' ? file : `${file}:${name}`
}
