/**
 * How a process is doing: a small file that its sampler thread writes and `rchan record` reads, for
 * the line of progress.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the status file says. */
export interface Status {
  readonly threads: number
  readonly tasks: number
  readonly failedTasks: number
  readonly events: number
  readonly lost: number
}

/** Returns the path of a process's status file. */
export function statusPath(dir: string, pid: number): string {
  return join(dir, `.status-${pid}.json`)
}

/** Writes the file. Its reader never sees half of it. */
export function writeStatus(file: string, status: Status): void {
  writeFileSync(`${file}.new`, JSON.stringify(status))
  renameSync(`${file}.new`, file)
}

/** Reads a status file. @returns undefined if it is not there, or not whole. */
export function readStatus(file: string): Status | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Status
  } catch {
    return undefined
  }
}
