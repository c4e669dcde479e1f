/**
 * Who a thread is, and whether it still lives. Any thread may call.
 *
 * On Linux a thread is named by the kernel's thread id and start time, and its death is read off
 * `/proc/self/task`: seen 1–3 ms after it happened, with the main thread blocked, for workers of workers too.
 * Elsewhere a thread is named by Node's thread id, and its death is what the `exit` event of its `Worker` says.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { threadId } from 'node:worker_threads'

/** The name of a thread, in the form in which places hold it. */
export interface ThreadIdentity {
  /** The kernel's thread id; where there is none, −1 − Node's thread id. Never 0. */
  readonly identity: number
  /** When the thread started, in the kernel's ticks since boot; 0 where unknown, then the id alone counts. */
  readonly startTicks: number
  /** Node's number of the thread; 0 for the main thread. */
  readonly threadId: number
}

let mine: ThreadIdentity | undefined

/** The identity of the calling thread. */
export function thisThread(): ThreadIdentity {
  mine ??= identify()
  return mine
}

function identify(): ThreadIdentity {
  const kernelId = kernelThreadId()
  return kernelId === undefined
    ? eventIdentity(threadId)
    : { identity: kernelId, startTicks: startTicksOf(kernelId) ?? 0, threadId }
}

/** The identity of a thread where only Node's thread id is known. */
export function eventIdentity(id: number): ThreadIdentity {
  return { identity: -1 - id, startTicks: 0, threadId: id }
}

/** Whether the death of a thread with this identity can be proven from here. */
export function isProvable(identity: number): boolean {
  return identity > 0
}

/**
 * Whether a thread of this process lives, proven by the kernel's list of threads. When the list can't be read (no
 * file descriptor is left, say), nothing is proven, and the answer is yes.
 *
 * @param identity a provable one.
 * @param startTicks its start time; 0 when it was not stored yet, then the id alone decides.
 */
export function isAlive(identity: number, startTicks: number): boolean {
  const ticks = startTicksOf(identity)
  return ticks !== undefined && (ticks === 0 || startTicks === 0 || ticks === startTicks)
}

/** The kernel's id of the calling thread; undefined where there is none. Needs no file descriptor. */
function kernelThreadId(): number | undefined {
  try {
    // PID/task/TID. Without a regular expression: that would throw a SyntaxError where the stack is full.
    const path = readlinkSync('/proc/thread-self')
    const id = Number(path.slice(path.lastIndexOf('/') + 1))
    return id > 0 ? id : undefined
  } catch (error) {
    codeOf(error)
    return undefined
  }
}

/**
 * Field 22 of a thread's stat file (proc(5)); the name in field 2 may hold anything, a `)` too.
 *
 * @returns undefined when there is no such thread; 0 when its start time can't be read.
 */
function startTicksOf(identity: number): number | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/self/task/${identity}/stat`, 'latin1')
  } catch (error) {
    const code = codeOf(error)
    return code === 'ENOENT' || code === 'ESRCH' ? undefined : 0
  }
  const ticks = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
  return Number.isInteger(ticks) ? ticks : 0
}

/** The code of an error of the file system. @throws any other: a full stack says nothing about a thread. */
function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  return code
}
