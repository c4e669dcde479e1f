/** How threads are called in text. */
import type { TraceThread } from '@rchan/ctf/reader'

/** How a thread is called in a sentence. */
export function threadText({ threadId, name }: TraceThread): string {
  if (threadId === 0) return 'the main thread'
  return name === '' ? `worker ${threadId}` : `worker ${threadId} (${name})`
}

/** The same, at the beginning of a sentence. */
export function threadTextFirst(thread: TraceThread): string {
  const text = threadText(thread)
  return text[0].toUpperCase() + text.slice(1)
}
