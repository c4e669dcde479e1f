/**
 * The identity of a thread, and the proof of its death. Any thread may call.
 *
 * On Linux the identity of a thread is the kernel's thread id and start time, and `/proc/self/task`
 * shows its death. This works while the main thread is blocked, and for workers of workers too.
 * Elsewhere the identity is Node's thread id, and the `exit` event of the `Worker` shows its death.
 *
 * A death is proven, never guessed. The proof is read from files. A program may have replaced the
 * functions that read files (a test may mock the file system), or the list may be another one (in a
 * chroot). So a missing thread counts as dead only if the caller finds itself in the same list at
 * that moment.
 */
import { atImport, readOwn, readStat, threadId, Unread, type OwnEntry } from './own-entry.js'

/** The identity of a thread, in the form in which places hold it. */
export interface ThreadIdentity {
  /** The kernel's thread id; without one, −1 − Node's thread id. Never 0. */
  readonly identity: number
  /**
   * When the thread started, in the kernel's ticks since boot. 0 if unknown; then the id alone
   * counts.
   */
  readonly startTicks: number
  /** Node's number of the thread; 0 for the main thread. */
  readonly threadId: number
}

/** An entry of the list of threads. */
interface Entry {
  readonly id: number
  readonly startTicks: number
  /**
   * Whether the thread has begun to exit. It runs no more JavaScript, and is on its way out of the
   * kernel.
   */
  readonly hasEnded: boolean
}

/**
 * The result of a look into the list: an entry; no entry; no file could be opened just now; or text
 * that can't come from the kernel.
 */
type Found = Entry | 'none' | 'no descriptor' | 'nonsense'

/** A bit in the field of flags: the thread has begun to exit (PF_EXITING; proc(5), field 9). */
const EXITING = 0x4

let mine: ThreadIdentity | undefined

/** The identity of the calling thread, from what was read at the import if that could be read. */
export function thisThread(): ThreadIdentity {
  mine ??= identityOf(atImport ?? readOwn())
  return mine
}

/**
 * Finds the identity of the calling thread anew; {@link thisThread} remembers it. An identity from
 * the kernel must be beyond doubt: with another thread's identity, that thread's death would count
 * as ours. In doubt the result is the identity from Node's thread id.
 */
export function identify(): ThreadIdentity {
  return identityOf(readOwn())
}

function identityOf({ link, self, listed }: OwnEntry): ThreadIdentity {
  const id = kernelThreadId(link)
  if (id === undefined) return eventIdentity(threadId)
  const found = entryIn(self)
  if (found === 'no descriptor') return { identity: id, startTicks: 0, threadId }
  const same = entryIn(listed)
  const isSame = typeof found === 'object' && typeof same === 'object' && found.id === id && !found.hasEnded
  return isSame && found.startTicks === same.startTicks
    ? { identity: id, startTicks: found.startTicks, threadId }
    : eventIdentity(threadId)
}

/** The identity of a thread of which only Node's thread id is known. */
export function eventIdentity(id: number): ThreadIdentity {
  return { identity: -1 - id, startTicks: 0, threadId: id }
}

/** Whether the death of a thread with this identity can be proven from here. */
export function isProvable(identity: number): boolean {
  return identity > 0
}

/**
 * Whether a thread of this process is proven dead. A dead thread never runs another instruction of
 * JavaScript.
 *
 * *Yes* is final. *No* means that the thread lives, or that nothing could be proven (no descriptor
 * is left, the file system is mocked, the identity is Node's). *No* ages: a thread that was
 * terminated, or that returned, shows as living until its heap is taken down, for 1 to 300 ms. Once
 * its `exit` event has come, the answer is yes.
 *
 * @param startTicks when the thread started; 0 when that was not stored yet. Then the id alone
 * decides.
 */
export function isDead(identity: number, startTicks: number): boolean {
  if (!isProvable(identity)) return false
  const found = entryOf(identity)
  if (typeof found === 'object') {
    const isAnother = startTicks !== 0 && found.startTicks !== startTicks
    if (found.id !== identity || (!found.hasEnded && !isAnother)) return false
  } else if (found !== 'none') return false
  return isListed()
}

/** Whether the calling thread finds itself in the list of threads. */
function isListed(): boolean {
  const { identity, startTicks } = thisThread()
  if (!isProvable(identity)) return false
  const found = entryOf(identity)
  if (typeof found !== 'object' || found.id !== identity || found.hasEnded) return false
  return startTicks === 0 || found.startTicks === startTicks
}

/** The kernel's id of the calling thread, from the link to its entry; undefined if it says none. */
function kernelThreadId(link: unknown): number | undefined {
  if (typeof link !== 'string') return undefined
  // PID/task/TID. No regular expression: with a full stack it would throw a SyntaxError.
  const parts = link.split('/')
  // By their numbers, because the program may have replaced iterators.
  const tid: string | undefined = parts[2]
  const id = Number(tid)
  if (parts[1] !== 'task' || parts.length !== 3 || !Number.isSafeInteger(id) || id <= 0) return undefined
  // The first thread of a process is never a worker.
  return threadId !== 0 && tid === parts[0] ? undefined : id
}

function entryOf(identity: number): Found {
  return entryIn(readStat(`/proc/self/task/${identity}`))
}

/**
 * Reads the text of a stat file (proc(5)). The name in field 2 may hold any character, also `)`.
 */
function entryIn(text: unknown): Found {
  if (text instanceof Unread) {
    const { code } = text
    if (code === 'ENOENT' || code === 'ESRCH') return 'none'
    return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM' ? 'no descriptor' : 'nonsense'
  }
  if (typeof text !== 'string') return 'nonsense'
  const id = Number(text.slice(0, text.indexOf(' (')))
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  const flags = Number(fields[6])
  const startTicks = Number(fields[19])
  const isSound = state.length === 1 && isCount(id) && isCount(flags) && isCount(startTicks)
  if (!isSound || id === 0) return 'nonsense'
  const hasEnded = state === 'Z' || state === 'X' || state === 'x' || (flags & EXITING) !== 0
  return { id, startTicks, hasEnded }
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}
