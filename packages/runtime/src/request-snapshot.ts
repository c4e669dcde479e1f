/** Asks another process for a snapshot of its flight recording: the asking side of `door.ts`. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PrivateFolder } from './private-folder.js'
import { randomHex } from './random.js'
import { ANSWER_BYTES, answerName, registeredIn, requestName, searchPaths } from './registration.js'
import { cleanReason } from './trigger.js'

/** Options of a request. */
export interface SnapshotRequestOptions {
  /** Why, in one line. It stands in the trace. */
  readonly reason?: string
  /** How long to wait for the snapshot, in milliseconds; by default 10000. */
  readonly timeoutMs?: number
}

/** A snapshot that another process took. */
export interface RequestedSnapshot {
  /** The folder of the snapshot, absolute, as that process sees it. */
  readonly path: string
}

const DEFAULT_TIMEOUT_MS = 10_000
const MAX_TIMEOUT_MS = 3_600_000
/** How often to look for the answer, in milliseconds. */
const LOOK_MS = 20

/**
 * Asks a process of this user that has a flight recording for a snapshot, and waits for it. It
 * works while the main thread of that process hangs.
 *
 * @throws TypeError or RangeError for bad arguments; Error when there is no such process, when it
 * belongs to another user, has no flight recording that takes requests, refuses, or does not answer
 * in time.
 */
export async function requestSnapshot(
  pid: number,
  options: SnapshotRequestOptions = {},
): Promise<RequestedSnapshot> {
  const { reason, timeoutMs } = check(pid, options)
  checkProcess(pid)
  const folder = findRecording(pid)
  const id = randomHex()
  folder.write(requestName(id), reason)
  for (const end = performance.now() + timeoutMs; ;) {
    const answer = folder.read(answerName(id), ANSWER_BYTES)
    if (answer !== undefined) {
      folder.remove(answerName(id))
      return resultOf(pid, answer)
    }
    if (performance.now() >= end) break
    if (hasEnded(pid, folder))
      throw new Error(`process pid=${pid} ended its flight recording before it answered`)
    await delay(LOOK_MS)
  }
  const was = folder.remove(requestName(id)) ? 'did not see the request' : 'is still at it'
  throw new Error(
    `process pid=${pid} has not answered for timeoutMs=${timeoutMs}: it ${was}; is it stopped, or its disk slow? ` +
      `Try a longer timeoutMs`,
  )
}

/** `process.kill` takes no greater one. */
const MOST_PID = 2 ** 31 - 1

function check(pid: unknown, options: unknown): Required<SnapshotRequestOptions> {
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0 || pid > MOST_PID)
    throw new TypeError(`requestSnapshot: pid=${String(pid)} is not the number of a process`)
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`requestSnapshot: options=${String(options)}, expected { reason, timeoutMs }`)
  const { reason = '', timeoutMs = DEFAULT_TIMEOUT_MS } = options as Record<string, unknown>
  if (typeof reason !== 'string')
    throw new TypeError(`requestSnapshot: reason=${String(reason)} is not a string`)
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS))
    throw new RangeError(
      `requestSnapshot: timeoutMs=${String(timeoutMs)} is not a number from 1 to ${MAX_TIMEOUT_MS}`,
    )
  return { reason: cleanReason(reason), timeoutMs }
}

/** @throws Error when the process does not run, or belongs to another user. */
function checkProcess(pid: number): void {
  const mine = process.getuid?.()
  const isOthers = (uid: string): Error =>
    new Error(
      `process pid=${pid} belongs to another user (${uid}you are uid=${mine}): only its own user can ask it`,
    )
  try {
    process.kill(pid, 0)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ESRCH') throw new Error(`there is no process pid=${pid}`, { cause: error })
    if (code === 'EPERM') throw isOthers('')
    throw error
  }
  if (mine === undefined) return
  let uid: number
  try {
    ;({ uid } = statSync(`/proc/${pid}`))
  } catch {
    // Not Linux: its folder would be another user's, and refused.
    return
  }
  if (uid !== mine) throw isOthers(`uid=${uid}, `)
}

function hasEnded(pid: number, folder: PrivateFolder): boolean {
  try {
    checkProcess(pid)
    return PrivateFolder.open(folder.path) === undefined
  } catch {
    return true
  }
}

/** Finds the folder of a process's newest flight recording. @throws Error when there is none. */
function findRecording(pid: number): PrivateFolder {
  const refused: string[] = []
  const paths = searchPaths()
  for (const path of paths) {
    try {
      const registry = PrivateFolder.open(path)
      if (registry === undefined) continue
      const found = registeredIn(registry).find((each) => each.pid === pid)
      const own = found === undefined ? undefined : PrivateFolder.open(join(path, found.name))
      if (own !== undefined) return own
    } catch (error) {
      refused.push((error as Error).message)
    }
  }
  throw new Error(
    `process pid=${pid} has no flight recording that takes requests: it has to call rchan's ` +
      `startRecording({ mode: 'flight', … }), without snapshotOn: { requests: false }. Looked in ${paths.join(', ')}` +
      refused.map((problem) => `; ${problem}`).join(''),
  )
}

function resultOf(pid: number, text: string): RequestedSnapshot {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    // Said below.
  }
  const { path, error } = (answer ?? {}) as { readonly path?: unknown; readonly error?: unknown }
  if (typeof path === 'string') return { path }
  const what = typeof error === 'string' ? error : `its answer makes no sense: ${cleanReason(text)}`
  throw new Error(`process pid=${pid} took no snapshot: ${what}`)
}
