/** How threads are called in text. */
import type { TraceThread } from '@rchan/ctf/reader'

/** The place of a thread that has written nothing. */
export const NO_CPU = -1
/** Node's name for what a worker runs that has no file. */
const EVALUATED = '[worker eval]'
/** How a thread is called that has neither a file nor a name, as `@rchan/threads` has it. */
export const UNNAMED = 'worker'

/** How a worker is called that says no name: after its file, if there is one. */
export function nameOfFile(file: string): string {
  if (file === EVALUATED) return UNNAMED
  return file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1)
}

/** How a thread is called in a sentence. */
export function threadText({ threadId, name }: TraceThread): string {
  if (threadId === 0) return 'the main thread'
  return name === '' || name === UNNAMED ? `worker ${threadId}` : `worker ${threadId} (${name})`
}

/** The same, at the beginning of a sentence. */
export function threadTextFirst(thread: TraceThread): string {
  const text = threadText(thread)
  return text[0].toUpperCase() + text.slice(1)
}

/** Whether a thread is known by what others tell of it alone, and not by a record of its own. */
export function isSilent({ cpu }: TraceThread): boolean {
  return cpu === NO_CPU
}
