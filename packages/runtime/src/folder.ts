/**
 * The folder that a recording writes to, held open. All files go to this one folder, even when
 * another folder takes its name. Runs on the consumer thread.
 *
 * No file is written under a predictable name. A file starts as a draft, opened exclusively under a
 * name that no other program can guess, and takes its own name when it is whole. So a link that was
 * planted at that name is never followed.
 */
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
import { randomHex } from './random.js'

/** The mode of a file for its owner alone. */
const FILE_MODE = 0o600
/** Names to try for a draft. Only a process that sees our random numbers can take all of them. */
const DRAFT_TRIES = 8
/**
 * Errors of file systems without links. EISDIR: exFAT on Windows. EACCES: Android, which forbids
 * links to its programs.
 */
const NO_LINKS = new Set(['EPERM', 'EACCES', 'EISDIR', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'])

/** A file that no reader can find yet. */
export interface Draft {
  readonly fd: number
  readonly path: string
  /** Of the file, which is empty. */
  readonly state: FileState
}

/** The file that a name led to, and its length. */
export interface FileState {
  readonly device: bigint
  readonly inode: bigint
  readonly bytes: number
}

/** An open folder. */
export class OpenFolder {
  /** Its name, for messages. */
  readonly path: string
  /** The path to it: `/proc/self/fd/…` if the system has that, else its name. */
  readonly #root: string
  #fd: number | undefined
  readonly #state: FileState

  /** Opens an existing folder. @throws the error of the file system. */
  constructor(path: string) {
    this.path = path
    this.#fd = openFolder(path)
    const link = this.#fd === undefined ? undefined : `/proc/self/fd/${this.#fd}`
    this.#root = link !== undefined && existsSync(`${link}/.`) ? link : path
    // The state of the opened folder, because its name may lead to another folder by now.
    this.#state = this.#fd === undefined ? stateOf(path, true) : stateOfDescriptor(this.#fd)
  }

  /** The path to a file of the folder. */
  at(name: string): string {
    return `${this.#root}/${name}`
  }

  /**
   * Makes a new file under a secret name, for its owner alone.
   *
   * @param name its later name; readers pass over a draft, because its name starts with a dot.
   * @throws the error of the file system.
   */
  draft(name: string): Draft {
    for (let left = DRAFT_TRIES; ; left -= 1) {
      const path = this.at(`.${name}-${randomHex()}`)
      let fd: number
      try {
        fd = openSync(path, 'wx', FILE_MODE)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        // A folder that is open can be removed. Then no file can be made in it any more.
        const gone = code === 'ENOENT' ? this.problem() : undefined
        if (gone !== undefined) throw explained(error, gone)
        if (left <= 1 || code !== 'EEXIST') throw error
        continue
      }
      try {
        // A strict umask removes rights of the owner.
        const { mode, ...state } = statsOf(fd)
        if ((mode & FILE_MODE) !== FILE_MODE) fchmodSync(fd, FILE_MODE)
        return { fd, path, state }
      } catch (error) {
        // Each flush tries again, and must not leave a file and a descriptor each time.
        removeDraft(path)
        closeSync(fd)
        throw error
      }
    }
  }

  /**
   * Gives a draft its name.
   *
   * @throws the error of the file system; EEXIST when the name is taken. Then nothing has changed.
   * Error when the draft is gone.
   */
  publish(draft: string, name: string): void {
    const path = this.at(name)
    try {
      // No rename, because it would replace a file of that name. (And ext4 sends a replacing file
      // to the disk at once.)
      linkSync(draft, path)
      removeDraft(draft)
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      // The draft was removed: with its folder, or before it.
      if (code === 'ENOENT') throw explained(error, this.problem() ?? this.#filesGone())
      if (!NO_LINKS.has(code)) throw error
      closeSync(openSync(path, 'wx', FILE_MODE))
      try {
        renameSync(draft, path)
      } catch (failure) {
        removeDraft(path)
        throw failure
      }
    }
  }

  /** The file that has a name now; undefined if none has. Doesn't follow links. */
  find(name: string): FileState | undefined {
    try {
      return stateOf(this.at(name), false)
    } catch {
      return undefined
    }
  }

  /** The problem if the folder's name no longer leads to it; undefined if there is none. */
  problem(): string | undefined {
    let found: FileState | undefined
    try {
      found = stateOf(this.path, true)
    } catch {
      // No folder has that name.
    }
    if (found !== undefined && isSame(found, this.#state)) return undefined
    const now = found === undefined ? 'removed or moved' : 'replaced by another'
    return `the folder ${this.path} was ${now} while it was recorded into${this.#whereabouts()}`
  }

  #filesGone(): string {
    return `files of the folder ${this.path} were removed or moved while it was recorded into`
  }

  /** Says where the folder is now, if it is anywhere. */
  #whereabouts(): string {
    if (this.#root === this.path) return ''
    try {
      const path = readlinkSync(this.#root)
      return existsSync(`${this.#root}/metadata`) ? `; the trace is in ${path}` : ''
    } catch {
      return ''
    }
  }

  /** Closes the folder. No file can be made in it any more. Never throws. */
  close(): void {
    const fd = this.#fd
    this.#fd = undefined
    try {
      if (fd !== undefined) closeSync(fd)
    } catch {
      // Other code has closed it.
    }
  }
}

/** An error of the file system, with what led to it. */
function explained(error: unknown, why: string): Error {
  return new Error(`${why} (${(error as Error).message})`, { cause: error })
}

/** The file of a descriptor. @throws the error of the file system. */
export function stateOfDescriptor(fd: number): FileState {
  const { device, inode, bytes } = statsOf(fd)
  return { device, inode, bytes }
}

function statsOf(fd: number): FileState & { readonly mode: number } {
  const { dev, ino, size, mode } = fstatSync(fd, { bigint: true })
  return { device: dev, inode: ino, bytes: Number(size), mode: Number(mode) }
}

export function isSame(a: FileState, b: FileState): boolean {
  return a.device === b.device && a.inode === b.inode
}

/**
 * Removes the name of a draft. Never throws, because the error that spoiled the draft matters more.
 */
export function removeDraft(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It is gone already, or it stays. Readers pass over it.
  }
}

function stateOf(path: string, follow: boolean): FileState {
  const { dev, ino, size } = (follow ? statSync : lstatSync)(path, { bigint: true })
  return { device: dev, inode: ino, bytes: Number(size) }
}

/** Opens a folder; undefined on a system that opens no folders. */
function openFolder(path: string): number | undefined {
  if (process.platform === 'win32') return undefined
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
}
