/**
 * The last words of a thread in a flight recording: a thread that dies with an error asks for a
 * snapshot before it does, and blocks until it is taken. It works for workers of workers, and for
 * those older than the recording, of which the recording thread hears nothing.
 *
 * It changes nothing in what becomes of the error. A thread that is terminated, or is out of heap,
 * says nothing: of the latter, the thread that started it hears.
 */
import { ARENA, type Arena } from './arena.js'
import { callAndWait } from './call.js'
import type { Control } from './control.js'
import { thisProcess } from './process.js'
import { causeOf, errorText, type SnapshotCause, type Trigger } from './trigger.js'
import type { ThreadIdentity } from '@rchan/threads'

/** Which threads say last words: bits of the arena's `lastWords`. */
export const LAST_WORDS = { main: 1, workers: 2 } as const
/** The call by which a thread tells the consumer of a cause. */
export const TELL = 'trigger'
/** How long a thread that dies waits for the snapshot, in milliseconds. */
const DYING_PATIENCE_MS = 10_000

/** The calling thread, as a CPU of its recording. */
export interface TracingThread {
  readonly control: Control
  readonly arena: Arena | undefined
  readonly thread: ThreadIdentity
  /** Calls a function when the thread leaves its recording. */
  onLeave(callback: () => void): void
}

/** Lets the calling thread say last words in the recording in which it has just come online. */
export function sayLastWords(cpu: TracingThread): void {
  const { arena, control, thread } = cpu
  if (arena === undefined) return
  // The recording thread has triggers of its own.
  if (thread.identity === arena.words[ARENA.recorder >> 2]) return
  const isMain = thread.threadId === 0
  const wanted = Atomics.load(arena.words, ARENA.lastWords >> 2)
  if ((wanted & (isMain ? LAST_WORDS.main : LAST_WORDS.workers)) === 0) return
  let isTold = false
  const tell = (trigger: Trigger, how: string): void => {
    if (isTold || control.generation !== arena.generation) return
    isTold = true
    const { threadName } = control.machine
    tellDying(
      control,
      causeOf(trigger, isMain ? how : `worker ${thread.threadId} (${threadName}) ${how}`, thread.threadId),
    )
  }
  const onException = (error: unknown, origin?: string): void =>
    isMain
      ? tell('exception', exceptionText(error, origin))
      : tell('worker', `died of ${exceptionText(error, origin)}`)
  const onExit = (code: number): void => {
    if (code !== 0) tell('worker', `ended with exit code ${code}`)
  }
  thisProcess.on('uncaughtExceptionMonitor', onException)
  if (!isMain) thisProcess.on('exit', onExit)
  cpu.onLeave(() => {
    thisProcess.off('uncaughtExceptionMonitor', onException)
    thisProcess.off('exit', onExit)
  })
}

/** Tells the consumer of a cause and waits until the snapshot is taken. Never throws. */
export function tellDying(control: Control, cause: SnapshotCause): void {
  try {
    callAndWait(control, TELL, cause, DYING_PATIENCE_MS)
  } catch {
    // The recording is over, or its disk hangs. The error that kills the thread matters more.
  }
}

/** Says an uncaught exception in one line. */
export function exceptionText(error: unknown, origin?: string): string {
  const what = origin === 'unhandledRejection' ? 'an unhandled rejection' : 'an uncaught exception'
  return `${what}: ${errorText(error)}`
}
