/**
 * `recording.json`: what `rchan record` knows of the command that it ran. A folder with this file
 * is one recording, of as many processes as it has traces.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const NAME = 'recording.json'

/** What the file says. */
export interface RecordedCommand {
  readonly command: readonly string[]
  readonly started: Date
  readonly ended: Date
  /** Of the command; null if a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
}

/** Writes the file. @throws the error of the file system. */
export function writeRecordingFile(dir: string, recorded: RecordedCommand): void {
  writeFileSync(join(dir, NAME), `${JSON.stringify(recorded, undefined, 2)}\n`)
}

/** Whether a folder is one recording, of several processes. */
export function isRecording(dir: string): boolean {
  return commandOf(dir) !== undefined
}

/** The command line that was recorded into a folder; undefined if it is no such folder. */
export function commandOf(dir: string): string | undefined {
  try {
    const { command } = JSON.parse(readFileSync(join(dir, NAME), 'utf8')) as Partial<RecordedCommand>
    return Array.isArray(command) ? command.join(' ') : undefined
  } catch {
    return undefined
  }
}
