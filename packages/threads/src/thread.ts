/**
 * The identity of a thread, and whether it is dead. Any thread may call.
 *
 * On Linux a thread is named by the kernel's thread id and start time, and its death is read off
 * `/proc/self/task`, with the main thread blocked, for workers of workers too. Elsewhere a thread
 * is named by Node's thread id, and its death is what the `exit` event of its `Worker` says.
 *
 * A death is proven, never guessed. It is read from files, and a program may have replaced what
 * reads them (a mocked file system in a test), or the list may be another one (a chroot). So a
 * thread that is missing counts as dead only if the caller finds itself in the same list, right
 * then.
 */
import fs from 'node:fs'
import { threadId } from 'node:worker_threads'

// Taken now, because programs replace them later; a named import would be replaced with them. With
// 'utf8' the read is one call into Node, which goes by no other function that could be replaced.
const { readFileSync, readlinkSync } = fs

/** The name of a thread, in the form in which places hold it. */
export interface ThreadIdentity {
  /** The kernel's thread id; where there is none, −1 − Node's thread id. Never 0. */
  readonly identity: number
  /**
   * When the thread started, in the kernel's ticks since boot; 0 where unknown, then the id alone
   * counts.
   */
  readonly startTicks: number
  /** Node's number of the thread; 0 for the main thread. */
  readonly threadId: number
}

/** What the list of threads says of one of them. */
interface Entry {
  readonly id: number
  readonly startTicks: number
  /**
   * Whether it has begun to exit, and runs no more JavaScript: it is on its way out of the kernel.
   */
  readonly hasEnded: boolean
}

/**
 * An entry; that there is none; that no file could be opened just now; or what can't come from the
 * kernel.
 */
type Found = Entry | 'none' | 'no descriptor' | 'nonsense'

/** In the field of flags: the thread has begun to exit (PF_EXITING; proc(5), field 9). */
const EXITING = 0x4

let mine: ThreadIdentity | undefined
try {
  // Now, before the program mocks its file system.
  mine = identify()
} catch {
  // The stack is full. The next to ask may have more of it.
}

/** The identity of the calling thread. */
export function thisThread(): ThreadIdentity {
  mine ??= identify()
  return mine
}

/**
 * Finds the identity of the calling thread; {@link thisThread} remembers it. An identity of the
 * kernel's must be beyond doubt: by another thread's, that one's death would be ours. In doubt it
 * is the one of Node's thread id.
 */
export function identify(): ThreadIdentity {
  const id = kernelThreadId()
  if (id === undefined) return eventIdentity(threadId)
  const self = entryIn('/proc/thread-self')
  if (self === 'no descriptor') return { identity: id, startTicks: 0, threadId }
  const listed = entryOf(id)
  const isSame = typeof self === 'object' && typeof listed === 'object' && self.id === id && !self.hasEnded
  return isSame && self.startTicks === listed.startTicks
    ? { identity: id, startTicks: self.startTicks, threadId }
    : eventIdentity(threadId)
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
 * Whether a thread of this process is dead: proven, for good, and not to run another instruction of
 * JavaScript.
 *
 * *Yes* is for ever. *No* means that it lives, or that nothing could be proven (no descriptor is
 * left, the file system is mocked, its identity is Node's); and it ages: a thread that was
 * terminated, or returned, shows as living until its heap is taken down, 1 to 300 ms. Once its
 * `exit` event has come the answer is yes.
 *
 * @param startTicks when the thread started; 0 when that was not stored yet, then the id alone
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

/**
 * The kernel's id of the calling thread; undefined where there is none. Needs no file descriptor.
 */
function kernelThreadId(): number | undefined {
  let link: unknown
  try {
    link = readlinkSync('/proc/thread-self')
  } catch (error) {
    codeOf(error)
  }
  if (typeof link !== 'string') return undefined
  // PID/task/TID. Without a regular expression: that would throw a SyntaxError where the stack is
  // full.
  const [pid, task, tid, ...more] = link.split('/')
  const id = Number(tid)
  if (task !== 'task' || more.length > 0 || !Number.isSafeInteger(id) || id <= 0) return undefined
  // The first thread of a process is never a worker.
  return threadId !== 0 && tid === pid ? undefined : id
}

function entryOf(identity: number): Found {
  return entryIn(`/proc/self/task/${identity}`)
}

/** Reads a thread's stat file (proc(5)); the name in field 2 may hold anything, a `)` too. */
function entryIn(folder: string): Found {
  let text: unknown
  try {
    text = readFileSync(`${folder}/stat`, 'utf8')
  } catch (error) {
    const code = codeOf(error)
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

/**
 * The code of an error of the file system; '' if it has none. @throws when the stack is full: that
 * says nothing.
 */
function codeOf(error: unknown): string {
  if (error instanceof RangeError && !('code' in error)) throw error
  const code = (error as Partial<NodeJS.ErrnoException> | undefined | null)?.code
  return typeof code === 'string' ? code : ''
}
