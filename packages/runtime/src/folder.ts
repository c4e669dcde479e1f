/**
 * The folder that a recording writes to, held open: what is written goes to this one folder, also
 * when somebody gives its name to another. Runs on the consumer thread.
 *
 * Nothing is written under a name that others can foresee: a file is made as a draft, exclusively,
 * under a name that nobody can guess, and takes its own name when it is whole. So no link that was
 * laid at that name is followed.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
} from 'node:fs'
import { readlinkSync, renameSync, statSync, unlinkSync } from 'node:fs'

/** A file for its owner alone. */
const FILE_MODE = 0o600
/**
 * Names to try for a draft. All of them can be taken only by a process that sees our random
 * numbers.
 */
const DRAFT_TRIES = 8
/**
 * What file systems without links say. EISDIR: exFAT on Windows; EACCES: Android, which forbids
 * links to its programs.
 */
const NO_LINKS = new Set(['EPERM', 'EACCES', 'EISDIR', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'])

/** A file that nobody can find yet. */
export interface Draft {
  readonly fd: number
  readonly path: string
}

/** Which file a name led to, and how long it was. */
export interface FileState {
  readonly device: bigint
  readonly inode: bigint
  readonly bytes: number
}

/** An open folder. */
export class OpenFolder {
  /** Its name, for messages. */
  readonly path: string
  /** What leads to it: `/proc/self/fd/…` where there is such a thing, else its name. */
  readonly #root: string
  #fd: number | undefined
  readonly #state: FileState

  /** Opens a folder that is there. @throws the error of the file system. */
  constructor(path: string) {
    this.path = path
    this.#fd = openFolder(path)
    const link = this.#fd === undefined ? undefined : `/proc/self/fd/${this.#fd}`
    this.#root = link !== undefined && existsSync(`${link}/.`) ? link : path
    // Of what was opened: its name may lead to another folder by now.
    this.#state = this.#fd === undefined ? stateOf(path, true) : stateOfDescriptor(this.#fd)
  }

  /** What leads to a file of the folder. */
  at(name: string): string {
    return `${this.#root}/${name}`
  }

  /**
   * Makes a new file that nobody knows, for its owner alone.
   *
   * @param name what it is to become; readers pass over a draft, because its name starts with a
   * dot.
   * @throws the error of the file system.
   */
  draft(name: string): Draft {
    for (let left = DRAFT_TRIES; ; left -= 1) {
      const path = this.at(`.${name}-${randomBytes(8).toString('hex')}`)
      let fd: number
      try {
        fd = openSync(path, 'wx', FILE_MODE)
      } catch (error) {
        if (left <= 1 || (error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        continue
      }
      try {
        // A strict umask takes rights of its owner away.
        if ((fstatSync(fd).mode & FILE_MODE) !== FILE_MODE) fchmodSync(fd, FILE_MODE)
        return { fd, path }
      } catch (error) {
        // It is tried again at each flush, and must not leave a file and a descriptor each time.
        removeDraft(path)
        closeSync(fd)
        throw error
      }
    }
  }

  /**
   * Gives a draft its name.
   *
   * @throws the error of the file system; when the name is taken, EEXIST. Then nothing has changed.
   */
  publish(draft: string, name: string): void {
    const path = this.at(name)
    try {
      // Not renamed: that would replace what has the name. (And ext4 sends a file to the disk at
      // once that replaces one.)
      linkSync(draft, path)
      removeDraft(draft)
    } catch (error) {
      if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      closeSync(openSync(path, 'wx', FILE_MODE))
      try {
        renameSync(draft, path)
      } catch (failure) {
        removeDraft(path)
        throw failure
      }
    }
  }

  /** Which file has a name now; undefined when none has. Doesn't follow links. */
  find(name: string): FileState | undefined {
    try {
      return stateOf(this.at(name), false)
    } catch {
      return undefined
    }
  }

  /** What is wrong with the folder as a place where its name leads to; undefined if nothing is. */
  problem(): string | undefined {
    let found: FileState | undefined
    try {
      found = stateOf(this.path, true)
    } catch {
      // Nothing has that name.
    }
    if (found !== undefined && isSame(found, this.#state)) return undefined
    const now = found === undefined ? 'removed or moved' : 'replaced by another'
    return `the folder ${this.path} was ${now} while it was recorded into${this.#whereabouts()}`
  }

  /** Where the folder is now, if it is anywhere. */
  #whereabouts(): string {
    if (this.#root === this.path) return ''
    try {
      const path = readlinkSync(this.#root)
      return existsSync(`${this.#root}/metadata`) ? `; the trace is in ${path}` : ''
    } catch {
      return ''
    }
  }

  /** Lets go of it; nothing can be written to it any more. Never throws. */
  close(): void {
    const fd = this.#fd
    this.#fd = undefined
    try {
      if (fd !== undefined) closeSync(fd)
    } catch {
      // Somebody else has closed it.
    }
  }
}

/** Which file a descriptor is of. @throws the error of the file system. */
export function stateOfDescriptor(fd: number): FileState {
  const { dev, ino, size } = fstatSync(fd, { bigint: true })
  return { device: dev, inode: ino, bytes: Number(size) }
}

export function isSame(a: FileState, b: FileState): boolean {
  return a.device === b.device && a.inode === b.inode
}

/**
 * Removes the name of a draft. Never throws: an error that the draft came to nothing by matters
 * more.
 */
export function removeDraft(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already, or it stays: readers pass over it.
  }
}

function stateOf(path: string, follow: boolean): FileState {
  const { dev, ino, size } = (follow ? statSync : lstatSync)(path, { bigint: true })
  return { device: dev, inode: ino, bytes: Number(size) }
}

/** Undefined where the system opens no folders. */
function openFolder(path: string): number | undefined {
  if (process.platform === 'win32') return undefined
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
}
