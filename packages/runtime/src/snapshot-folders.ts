/**
 * The folders of a flight recorder's snapshots: makes them, names them, and removes the oldest when
 * there are too many. Runs on the consumer thread.
 *
 * ```text
 *            begin                       publish                      remove, with keep: 'newest'
 *   (none) ───────▶ .snapshot-<secret> ───────────▶ snapshot-<time>… ─────────────────────────────▶ (none)
 *                          │ discard: the snapshot failed
 *                          ▼
 *                        (none)
 * ```
 *
 * A folder has its name only when the snapshot in it is whole. If the process is killed before, a
 * hidden folder stays, and nobody takes it for a trace.
 *
 * Only folders that this object published are ever removed, as long as their names still lead to
 * them. In them, only files of the names that a snapshot has. A folder that holds anything else
 * then stays.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import { randomHex } from './random.js'

const FOLDER_MODE = 0o700
/** Files of a snapshot: metadata, streams, and drafts of both. */
const OURS =
  /^(?:metadata|snapshot|(?:cpu_\d+|global)(?:_\d+)?|\.(?:metadata|snapshot|cpu_[\d_]+|global[\d_]*)-[\da-f]{16})$/
/** The most characters of a reason in a name. */
const REASON_CHARS = 40
const MOST_TRIES = 1000

/** A folder with a whole snapshot. */
export interface SnapshotFolder {
  readonly path: string
  /** Bytes of its files. */
  readonly bytes: number
}

/** A folder that we published, and how to know it again. */
interface Published extends SnapshotFolder {
  readonly device: bigint
  readonly inode: bigint
}

/** Several of these never share a `dir` in one process; processes may. */
export class SnapshotFolders {
  readonly #dir: string
  readonly #published: Published[] = []
  #removed = 0

  /** @param dir an absolute path. */
  constructor(dir: string) {
    this.#dir = dir
  }

  /** How many of the published folders were not removed again by {@link removeOldest}. */
  get count(): number {
    return this.#published.length
  }

  /** Bytes of those folders. */
  get bytes(): number {
    return this.#published.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** How many were removed. */
  get removed(): number {
    return this.#removed
  }

  /**
   * Makes a folder that readers pass over, for a snapshot to be written. @returns its path. @throws
   * the error of the file system.
   */
  begin(): string {
    const draft = `${this.#dir}/.snapshot-${randomHex()}`
    try {
      make(draft)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      // A flight recorder may run for weeks, in which an empty folder is tidied away.
      make(this.#dir)
      make(draft)
    }
    return draft
  }

  /**
   * Gives a whole snapshot its name: the time in UTC, and the reason as far as it is safe in a
   * name.
   *
   * @param timeMs since 1970.
   * @throws the error of the file system; then the draft is still there.
   */
  publish(draft: string, timeMs: number, trigger: string, reason: string): SnapshotFolder {
    const bytes = bytesOf(draft)
    const stamp = new Date(timeMs).toISOString().replaceAll(/[-:Z]/g, '').replace(/[T.]/g, '-')
    const name = `${this.#dir}/snapshot-${stamp}-${slug(reason) || trigger}`
    for (let attempt = 1; ; attempt += 1) {
      const path = attempt === 1 ? name : `${name}-${attempt}`
      try {
        // A rename replaces an empty folder, and only that.
        if (exists(path)) throw Object.assign(new Error(`${path} is there already`), { code: 'EEXIST' })
        renameSync(draft, path)
        const { dev, ino } = lstatSync(path, { bigint: true })
        this.#published.push({ path, bytes, device: dev, inode: ino })
        return { path, bytes }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if ((code !== 'EEXIST' && code !== 'ENOTEMPTY') || attempt >= MOST_TRIES) throw error
      }
    }
  }

  /** Removes a draft. @returns false if something of it stays. Never throws. */
  discard(draft: string): boolean {
    return removeFolder(draft)
  }

  /**
   * Removes the oldest published folder, or forgets it if it is not ours any more. Never throws.
   */
  removeOldest(): void {
    const oldest = this.#published.shift()
    if (oldest === undefined) return
    try {
      const { dev, ino } = lstatSync(oldest.path, { bigint: true })
      if (dev !== oldest.device || ino !== oldest.inode) return
    } catch {
      // Somebody moved or removed it.
      return
    }
    if (removeFolder(oldest.path)) this.#removed += 1
  }
}

/** Makes a folder that only this user can use, whatever the umask is. */
function make(path: string): void {
  mkdirSync(path, { mode: FOLDER_MODE })
  chmodSync(path, FOLDER_MODE)
}

/** Removes a folder of ours, with the files of a snapshot in it. @returns whether it is gone. */
function removeFolder(path: string): boolean {
  try {
    for (const name of readdirSync(path)) if (OURS.test(name)) unlinkSync(`${path}/${name}`)
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}

function bytesOf(path: string): number {
  return readdirSync(path).reduce((sum, name) => sum + lstatSync(`${path}/${name}`).size, 0)
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The letters and digits of a text, with - between words. */
function slug(reason: string): string {
  return (
    reason
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.join('-')
      .slice(0, REASON_CHARS)
      .replace(/-$/, '') ?? ''
  )
}
