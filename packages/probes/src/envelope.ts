/**
 * The envelopes of tasks: what piscina and tinypool post to a worker and back. Their own properties
 * are told from the outside: `taskId` in both, `filename` beside the task, `error` beside the
 * result.
 */

/** The property that carries the task's number to the worker. */
const NUMBER = 'rchan:task'

/** A task on its way to a worker. */
export interface TaskEnvelope {
  readonly taskId: number
  readonly filename: string
  readonly name: string
  [NUMBER]?: number
}

/** A result on its way back. */
export interface ReplyEnvelope {
  readonly taskId: number
  readonly error: unknown
}

/** Returns a message as a task's envelope, if it is one. */
export function asTask(message: unknown): TaskEnvelope | undefined {
  if (typeof message !== 'object' || message === null || !('taskId' in message)) return undefined
  const { taskId, filename, name } = message as Partial<TaskEnvelope>
  const isTask = typeof taskId === 'number' && typeof filename === 'string' && typeof name === 'string'
  return isTask && 'task' in message ? (message as unknown as TaskEnvelope) : undefined
}

/** Returns a message as a reply's envelope, if it is one. */
export function asReply(message: unknown): ReplyEnvelope | undefined {
  if (typeof message !== 'object' || message === null || !('taskId' in message)) return undefined
  const isReply = typeof message.taskId === 'number' && 'result' in message && 'error' in message
  return isReply ? (message as unknown as ReplyEnvelope) : undefined
}

/** Puts a task's number into its envelope. */
export function setNumber(envelope: TaskEnvelope, number: number): void {
  envelope[NUMBER] = number
}

/** The number in an envelope; undefined if the submitting side is not watched. */
export function numberIn(envelope: TaskEnvelope): number | undefined {
  const number = envelope[NUMBER]
  return typeof number === 'number' ? number : undefined
}

/** What a task is called: its file, and its function if that is not the default one. */
export function taskName({ filename, name }: Pick<TaskEnvelope, 'filename' | 'name'>): string {
  const file = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
  return name === 'default' ? file : `${file}:${name}`
}
