/**
 * A folder for its user alone, in which processes of that user leave small texts for each other. It
 * may stand in a folder that all users can write, so nothing in its place is trusted: it must be a
 * folder and no link, belong to this user, and be closed to all others.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { randomHex } from './random.js'

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
/** The rights of other users. */
const OTHERS = 0o077
const WORLD_WRITABLE = 0o002
const STICKY = 0o1000
/** Not on Windows, where folders of users are protected by their place. */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as Partial<typeof constants>

export class PrivateFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /**
   * Opens a folder, or makes it; its parent must be there.
   *
   * @throws Error when it is not for this user alone, or the error of the file system.
   */
  static make(path: string): PrivateFolder {
    try {
      mkdirSync(path, { mode: FOLDER_MODE })
      // A strict umask removes rights of the owner.
      chmodSync(path, FOLDER_MODE)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
    check(path)
    return new PrivateFolder(path)
  }

  /**
   * Opens a folder; undefined when nothing has its name.
   *
   * @throws Error when it is not for this user alone, or the error of the file system.
   */
  static open(path: string): PrivateFolder | undefined {
    try {
      check(path)
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
    return new PrivateFolder(path)
  }

  /** A folder in it. See {@link make}. */
  makeFolder(name: string): PrivateFolder {
    return PrivateFolder.make(join(this.path, name))
  }

  /** @throws the error of the file system. */
  names(): string[] {
    return readdirSync(this.path)
  }

  /**
   * Reads the start of a text. @returns undefined when no file has that name. @throws the error of
   * the file system.
   */
  read(name: string, mostBytes: number): string | undefined {
    let fd: number
    try {
      // No link is followed, and no pipe is waited for.
      fd = openSync(join(this.path, name), constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
    try {
      if (!fstatSync(fd).isFile()) return undefined
      const bytes = Buffer.alloc(mostBytes)
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, mostBytes, 0))
    } finally {
      closeSync(fd)
    }
  }

  /** Puts a text there, whole from its first moment on. @throws the error of the file system. */
  write(name: string, text: string): void {
    const draft = join(this.path, `.${name}-${randomHex()}`)
    try {
      writeFileSync(draft, text, { flag: 'wx', mode: FILE_MODE })
      renameSync(draft, join(this.path, name))
    } catch (error) {
      tryTo(() => unlinkSync(draft))
      throw error
    }
  }

  /** Removes a text. @returns false when it can't, or none has that name. */
  remove(name: string): boolean {
    return tryTo(() => unlinkSync(join(this.path, name)))
  }

  /** Removes the texts in it whose names match, and itself if nothing is left. Never throws. */
  removeAll(pattern: RegExp): void {
    tryTo(() => {
      for (const name of this.names()) if (pattern.test(name)) this.remove(name)
      rmdirSync(this.path)
    })
  }
}

/** @throws Error when a folder is not for this user alone. */
function check(path: string): void {
  const stats = lstatSync(path)
  const refuse = (what: string): never => {
    throw new Error(`${path} ${what}: remove it, or name another place by XDG_RUNTIME_DIR`)
  }
  if (!stats.isDirectory()) refuse('is no folder')
  const uid = process.getuid?.()
  if (uid === undefined) return
  if (stats.uid !== uid) refuse(`belongs to another user (uid=${stats.uid}, this process has uid=${uid})`)
  if ((stats.mode & OTHERS) !== 0)
    refuse(`is open to other users (mode=${(stats.mode & 0o7777).toString(8)}, not 700)`)
  // There any user can replace it at any time. The parent may be reached by a link.
  const parent = statSync(dirname(path))
  if ((parent.mode & WORLD_WRITABLE) !== 0 && (parent.mode & STICKY) === 0)
    refuse('is in a folder in which any user may replace it')
}

function tryTo(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
