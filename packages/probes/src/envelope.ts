/**
 * The envelopes of tasks: what pools post to a worker and back, with the number of the task in it.
 * Those of piscina and tinypool are told from the outside by their own properties: `taskId` in
 * both, `filename` beside the task, `error` beside the result. Those of pools that call functions
 * are in `calls.ts`.
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

/** A message that carries a task's number. An array can, too: beside its elements. */
export interface Envelope {
  [NUMBER]?: unknown
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
