/**
 * How processes of one user find each other's flight recordings: each recording that takes requests
 * has a folder of its own, in a private folder of the user.
 *
 * ```text
 *   $XDG_RUNTIME_DIR/rchan/            or <temporary folder>/rchan-<uid>/
 *     4711.8231.4026531836.4711.1/     process, its start, its PID namespace, recording thread, recording
 *       request-0123456789abcdef       made by the asking process: the reason, for people
 *       answer-0123456789abcdef        made by the consumer thread: JSON, see Answer
 * ```
 *
 * The start time tells a process from a later one with the same number. The namespace tells
 * processes of containers apart that share a temporary folder. Folders of processes that are gone
 * are removed by the next process that comes here.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { PrivateFolder } from './private-folder.js'

/** The answer to a request, as JSON. */
export type Answer = { readonly path: string } | { readonly error: string }

/** The most bytes of a request and of an answer that are read. */
export const REQUEST_BYTES = 4096
export const ANSWER_BYTES = 65_536

const ID = '[0-9a-f]{16}'
const REQUEST = new RegExp(`^request-(${ID})$`)
/** The names of all files in the folder of a recording. */
export const FILES = new RegExp(`^(\\.?(request|answer)-${ID})(-[0-9a-f]{8})?$`)
const FOLDER = /^(\d+)\.(\d+)\.(\d+)\.(-?\d+)\.(\d+)$/

export const requestName = (id: string): string => `request-${id}`
export const answerName = (id: string): string => `answer-${id}`

/** The id of a request, by the name of its file; undefined for other files. */
export function requestId(name: string): string | undefined {
  return REQUEST.exec(name)?.[1]
}

/** The folders in which this user's recordings register: the first that can be used. */
export function registryPaths(): string[] {
  const { XDG_RUNTIME_DIR: runtime } = process.env
  const temporary = join(tmpdir(), `rchan-${userName()}`)
  return runtime !== undefined && isAbsolute(runtime) ? [join(runtime, 'rchan'), temporary] : [temporary]
}

/**
 * The folders in which a recording may have registered that was started in another environment,
 * from a terminal, say, or as a service.
 */
export function searchPaths(): string[] {
  const user = userName()
  const usual = [join('/run/user', user, 'rchan'), join('/tmp', `rchan-${user}`)]
  return [...new Set([...registryPaths(), ...(process.platform === 'win32' ? [] : usual)])]
}

/** A recording that takes requests, of a process of this user. */
export interface Registered {
  readonly pid: number
  readonly name: string
  readonly recording: number
}

/** The name of the folder of this process's recording. */
export function registrationName(recorder: number, recording: number): string {
  return `${process.pid}.${startOf(process.pid) ?? 0}.${pidNamespace()}.${recorder}.${recording}`
}

/**
 * Finds the recordings in a folder, and removes what processes left that are gone. Never throws.
 *
 * @returns the newest first.
 */
export function registeredIn(folder: PrivateFolder): Registered[] {
  const here = pidNamespace()
  const found: Registered[] = []
  let names: string[] = []
  try {
    names = folder.names()
  } catch {
    // It is gone.
  }
  for (const name of names) {
    const match = FOLDER.exec(name)
    // Of a process in another namespace nothing can be known.
    if (match === null || match[3] !== here) continue
    const pid = Number(match[1])
    if (isRunning(pid, Number(match[2]))) found.push({ pid, name, recording: Number(match[5]) })
    else removeRegistration(join(folder.path, name))
  }
  return found.sort((a, b) => b.recording - a.recording)
}

/** Removes the folder of a recording. Never throws. */
function removeRegistration(path: string): void {
  try {
    PrivateFolder.open(path)?.removeAll(FILES)
  } catch {
    // It is none of ours.
  }
}

/** Whether a process runs; with its start, if that is known, so that no later one is meant. */
function isRunning(pid: number, start: number): boolean {
  const found = startOf(pid)
  if (found !== undefined && start !== 0) return found === start
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** When a process started, in the kernel's ticks since boot (proc(5)); undefined if unknown. */
function startOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name in field 2 may hold any character, also `)`.
    const ticks = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
    return Number.isSafeInteger(ticks) ? ticks : undefined
  } catch {
    return undefined
  }
}

/** The number of this process's PID namespace; 0 if the system has none. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
  } catch {
    return '0'
  }
}

/** The user's number, or its name where users have none. */
function userName(): string {
  return `${process.getuid?.() ?? userInfo().username}`
}
