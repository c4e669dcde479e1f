/**
 * The folder of a trace. Makes the folder, or takes an empty one, for one recording alone. If the
 * recording can't start, restores everything as it was. Runs on the thread that records.
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A folder that is ready for a trace. */
export interface TraceFolder {
  /** Absolute. */
  readonly path: string
  /** Removes what was made, so that everything is as it was before. */
  readonly undo: () => void
}

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

/**
 * Takes the folder that the options name, for one recording.
 *
 * @param options `path`, a folder that is absent or empty; or `dir`, a folder to make a fresh one
 * in.
 * @throws Error with the path, what is wrong with it and what to do.
 */
export function claimFolder(options: FolderOptions): TraceFolder {
  const folder = namedFolder(options)
  return options.dir === undefined ? claimPath(folder) : claimFresh(folder)
}

/**
 * Makes the folder that a flight recorder puts its snapshots into, if it is not there.
 *
 * @throws Error with the path, what is wrong with it and what to do.
 */
export function claimSnapshotFolder(options: FolderOptions): TraceFolder {
  const path = namedFolder(options)
  const made = makeFolder(path)
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw cannotMake(path, error)
  }
  return { path, undo: () => removeEmpty(made) }
}

/**
 * Returns the absolute folder that the options name: the folder of the trace (`path`), or the
 * folder to make it in (`dir`).
 */
export function namedFolder({ path, dir }: FolderOptions, caller = 'startRecording'): string {
  return resolve(dir === undefined ? folderPath(`${caller}: path`, path) : folderPath(`${caller}: dir`, dir))
}

/** Where the trace goes. */
export interface FolderOptions {
  readonly path?: string | URL | undefined
  readonly dir?: string | URL | undefined
}

/**
 * Checks that options name one folder.
 *
 * @param caller the function that takes them, for messages.
 * @returns as {@link namedFolder}.
 * @throws TypeError if they don't.
 */
export function checkFolderOptions(caller: string, options: FolderOptions): string {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`${caller}: options=${String(given)}, expected { path } or { dir }`)
  }
  const { path, dir } = options
  if ((path === undefined) === (dir === undefined)) {
    throw new TypeError(
      `${caller}: path=${String(path)}, dir=${String(dir)}: give either path, a folder that is absent or empty, ` +
        `or dir, a folder to make a fresh one in`,
    )
  }
  return namedFolder(options, caller)
}

/**
 * Returns the path that an option names. The option is a path or a `file:` URL object.
 *
 * @param name the function that takes the option, and the option.
 *
 * @throws TypeError if it names none.
 */
function folderPath(name: string, value: unknown): string {
  if (isUrl(value)) {
    try {
      return fileURLToPath(value)
    } catch (error) {
      throw new TypeError(
        `${name}=${value.href} is not the file: URL of a folder: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
    throw new TypeError(`${name}=${shown} is not the path of a folder`)
  }
  if (/^file:/i.test(value)) {
    throw new TypeError(
      `${name}=${JSON.stringify(value)} is the text of a URL: give new URL(…), or a path; a folder of ` +
        `that name is ./${value}`,
    )
  }
  return value
}

/** Whether a value is a URL, possibly of another realm. */
function isUrl(value: unknown): value is URL {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<URL>).href === 'string' &&
    typeof (value as Partial<URL>).protocol === 'string'
  )
}

function claimFresh(parent: string): TraceFolder {
  const made = makeFolder(parent)
  for (let attempt = 1; ; attempt += 1) {
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
    const path = join(parent, `trace-${stamp}${attempt === 1 ? '' : `-${attempt}`}`)
    try {
      makeOne(path)
      return { path, undo: () => removeMade(path, made) }
    } catch (error) {
      if (codeOf(error) === 'EEXIST' && attempt < 1000) continue
      removeEmpty(made)
      throw cannotMake(path, error)
    }
  }
}

function claimPath(path: string): TraceFolder {
  const made = makeFolder(path)
  const undo = made.at(-1) === path ? () => removeMade(path, made) : () => removeFiles(path)
  try {
    refuseUnlessEmpty(path, readdirSync(path))
    // The process that makes this file has the folder, even if two came at once. The consumer
    // replaces the file before it writes the first packet.
    writeFileSync(join(path, 'metadata'), '', { flag: 'wx', mode: FILE_MODE })
  } catch (error) {
    if (error instanceof NotEmptyError) throw error
    removeEmpty(made)
    if (codeOf(error) === 'EEXIST') refuseUnlessEmpty(path, ['metadata'])
    throw cannotMake(path, error)
  }
  return { path, undo }
}

class NotEmptyError extends Error {}

function refuseUnlessEmpty(path: string, names: readonly string[]): void {
  if (names.length === 0) return
  throw new NotEmptyError(
    `can't record into ${path}: it is not empty (it holds ${names.slice(0, 3).join(', ')}` +
      `${names.length > 3 ? ` and ${names.length - 3} more` : ''}); empty it, name another folder, ` +
      `or give { dir: … } for a fresh one each time`,
  )
}

/**
 * Makes one folder that this user can use, whatever the umask is.
 * @throws the error of the file system.
 */
function makeOne(path: string): void {
  mkdirSync(path, { mode: FOLDER_MODE })
  const stats = lstatSync(path)
  if ((stats.mode & FOLDER_MODE) !== FOLDER_MODE && stats.isDirectory()) chmodSync(path, FOLDER_MODE)
}

/**
 * Makes a folder and its missing parents. @returns the folders that this call made, topmost first.
 */
function makeFolder(folder: string): string[] {
  // Not `recursive`: with it Node loops for ever if a parent exists but takes no folder (as in
  // /proc).
  const missing: string[] = []
  for (let at = folder; !existsSync(at); at = dirname(at)) missing.unshift(at)
  const made: string[] = []
  try {
    for (const path of missing) {
      try {
        makeOne(path)
        made.push(path)
      } catch (error) {
        // Another thread or process may have made it meanwhile, for its own trace.
        if (codeOf(error) !== 'EEXIST') throw error
      }
    }
    if (!statSync(folder).isDirectory()) throw new Error('ENOTDIR: it is not a folder')
  } catch (error) {
    removeEmpty(made)
    throw cannotMake(folder, error)
  }
  return made
}

/** Removes the folder of a trace, and the parents that we made. */
function removeMade(folder: string, made: readonly string[]): void {
  removeFiles(folder)
  removeEmpty([...made.filter((each) => each !== folder), folder])
}

/** Names of the files that a recording makes: metadata, streams, and drafts of both. */
const OURS = /^(?:metadata|(?:cpu_\d+|global)(?:_\d+)?|\.(?:metadata|cpu_[\d_]+|global[\d_]*)-[\da-f]{16})$/

/**
 * Removes the files that a recording makes, by their names. Other files in the folder are not ours.
 */
function removeFiles(folder: string): void {
  for (const name of namesIn(folder)) {
    if (!OURS.test(name)) continue
    try {
      unlinkSync(join(folder, name))
    } catch {
      // The error that is being reported matters more.
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // The folder is gone, or no descriptor is left to read it. Try the files that a start makes
    // before it can fail.
    return ['metadata', 'cpu_0', 'global']
  }
}

/**
 * Removes folders that we made, given topmost first, unless others have put something into them.
 */
function removeEmpty(made: readonly string[]): void {
  for (const each of made.toReversed()) {
    try {
      rmdirSync(each)
    } catch {
      // Not empty, or gone already.
    }
  }
}

function cannotMake(folder: string, error: unknown): Error {
  return new Error(
    `can't record into ${folder}: ${(error as Error).message}; name a folder that this user can write, ` +
      `absent or empty`,
    { cause: error },
  )
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
