/** Which trace is meant by a path: a trace, or a folder of recordings. */
import { statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Trace, TraceSet } from '@rchan/ctf/reader'
import { CommandError, reasonOf, UsageError } from './fault.js'
import { isRecording } from './recording-file.js'

/** The traces that a command line means. */
export interface Meant {
  /** Where they are, and what files that are made of them are called after. Absolute. */
  readonly folder: string
  /** The folders of the traces. */
  readonly folders: Folders
}

type Folders = [string, ...string[]]

/**
 * Finds the trace that a path means. If it is a folder of recordings: the newest of them. A
 * recording by `rchan record` is one, however many processes it has.
 *
 * @param all whether all recordings in the folder are meant, as one trace.
 * @param say is told which one was taken.
 */
export async function findTrace(path: string, all: boolean, say: (text: string) => void): Promise<Meant> {
  checkFolder(path)
  const { findTraces } = await import('@rchan/ctf/reader')
  const found = findTraces(path)
  const [first] = found
  if (first === undefined) {
    throw new CommandError(
      `${path}: no trace here: a trace is a folder with a file metadata in it; give one, or a folder that has some`,
    )
  }
  const whole = (folders: string[]): Meant => ({ folder: resolve(path), folders: folders as Folders })
  if (all || isRecording(path)) return whole(found)
  let newest = { folder: first, time: -1 }
  for (const folder of found) {
    // A link to nothing is told when it is opened.
    const time = statSync(join(folder, 'metadata'), { throwIfNoEntry: false })?.mtimeMs ?? 0
    if (time > newest.time) newest = { folder, time }
  }
  // A recording of several processes is one.
  const recording = dirname(newest.folder)
  const [folder, folders] = isRecording(recording)
    ? [recording, found.filter((each) => dirname(each) === recording)]
    : [newest.folder, [newest.folder]]
  if (folder !== path) {
    const count = new Set(found.map((each) => (isRecording(dirname(each)) ? dirname(each) : each))).size
    const others = count === 1 ? '' : `, the newest of ${count} recordings in ${path}`
    say(`taking ${folder}${others}`)
  }
  return { folder: resolve(folder), folders: folders as Folders }
}

/**
 * Opens the traces that are meant.
 *
 * @param say is told what they may lack.
 */
export async function openMeant({ folders }: Meant, say?: (text: string) => void): Promise<Trace | TraceSet> {
  const { openTrace, openTraces } = await import('@rchan/ctf/reader')
  const [folder, ...others] = folders
  const opened = others.length > 0 ? openTraces(folders) : openTrace(folder)
  if (say === undefined) return opened
  for (const { facts, env, folder: each } of 'traces' in opened ? opened.traces : [opened]) {
    if (facts === undefined && isRunning(env.pid)) {
      say(`${each}: may still be recorded (process ${env.pid} runs): this is what it has so far`)
    }
  }
  return opened
}

function checkFolder(path: string): void {
  if (path === '') throw new UsageError('the name of the folder is empty: give the folder of a trace')
  let isFolder: boolean
  try {
    isFolder = statSync(path).isDirectory()
  } catch (error) {
    throw new CommandError(`${path}: ${reasonOf(error)}: give the folder of a trace`)
  }
  if (!isFolder) throw new CommandError(`${path}: is no folder: give the folder of a trace, not a file in it`)
}

/** Whether there is a process of this number. */
export function isRunning(pid: unknown): boolean {
  if (typeof pid !== 'number' || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
