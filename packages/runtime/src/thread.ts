/**
 * Who a thread is, and whether it still lives. Any thread may call.
 *
 * On Linux a thread is named by the kernel's thread id and start time, and its death is read off
 * `/proc/self/task`: seen 1–3 ms after it happened, with the main thread blocked, for workers of workers too.
 * Elsewhere a thread is named by Node's thread id, and its death is what the `exit` event of its `Worker` says.
 */
import { readFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'

/** The name of a thread, in the form in which places hold it. */
export interface ThreadIdentity {
  /** The kernel's thread id; where there is none, −1 − Node's thread id. Never 0. */
  readonly identity: number
  /** When the thread started, in the kernel's ticks since boot; 0 where unknown. */
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
  const stat = readStat('/proc/thread-self/stat')
  return stat === undefined
    ? eventIdentity(threadId)
    : { identity: stat.tid, startTicks: stat.startTicks, threadId }
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
 * Whether a thread of this process lives, proven by the kernel's list of threads.
 *
 * @param identity a provable one.
 * @param startTicks its start time; 0 when it was not stored yet, then the id alone decides.
 */
export function isAlive(identity: number, startTicks: number): boolean {
  const stat = readStat(`/proc/self/task/${identity}/stat`)
  return stat !== undefined && (startTicks === 0 || stat.startTicks === startTicks)
}

/** Field 1 and field 22 of a stat file (proc(5)); the name in field 2 may hold anything, a `)` too. */
function readStat(path: string): { tid: number; startTicks: number } | undefined {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
  const tid = Number.parseInt(text, 10)
  const startTicks = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
  return Number.isInteger(tid) && tid > 0 && Number.isInteger(startTicks) ? { tid, startTicks } : undefined
}
