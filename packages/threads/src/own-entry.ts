/**
 * What the kernel says of the calling thread, read when this is loaded, before the program mocks
 * its file system. `thread.ts` says what it means, if that is ever needed.
 */
import { fs, workerThreads } from './builtins.js'

// These functions are taken now, because programs replace them later. With 'utf8' a read is one
// call into Node, which uses no other function that could be replaced.
const { readFileSync, readlinkSync } = fs
export const { threadId } = workerThreads

/** The texts by which a thread knows itself. A mocked file system may return anything. */
export interface OwnEntry {
  /** PID/task/TID. */
  readonly link: unknown
  /** Its stat file. */
  readonly self: unknown
  /** The stat file in the list of threads, under the number of the link. */
  readonly listed: unknown
}

/** A file that could not be read. */
export class Unread {
  readonly code: unknown

  /** @throws the error of a full stack, which says nothing about the file. */
  constructor(error: unknown) {
    if (error instanceof RangeError && !('code' in error)) throw error
    this.code = (error as Partial<NodeJS.ErrnoException> | undefined | null)?.code
  }
}

/** What was read at the import; undefined if the stack was full. */
export const atImport = triedOwn()

function triedOwn(): OwnEntry | undefined {
  try {
    return readOwn()
  } catch {
    return undefined
  }
}

/** Reads the entry of the calling thread. @throws the error of a full stack. */
export function readOwn(): OwnEntry {
  let link: unknown
  try {
    link = readlinkSync('/proc/thread-self')
  } catch (error) {
    link = new Unread(error)
  }
  const id = typeof link === 'string' ? Number(link.slice(link.lastIndexOf('/') + 1)) : 0
  return {
    link,
    self: readStat('/proc/thread-self'),
    listed: id > 0 ? readStat(`/proc/self/task/${id}`) : '',
  }
}

/** Reads a thread's stat file. @throws the error of a full stack. */
export function readStat(folder: string): unknown {
  try {
    return readFileSync(`${folder}/stat`, 'utf8')
  } catch (error) {
    return new Unread(error)
  }
}
