/**
 * What `rchan record` says and makes when the program has ended: what is wrong with it, what is
 * there, and what opens it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { durationText } from '@rchan/analysis'
import type { Trace } from '@rchan/ctf/reader'
import { SAMPLER } from '@rchan/probes/sampler-data'
import { reasonOf } from './fault.js'
import type { MadeFile } from './made-file.js'
import { ReaderGone } from './output.js'
import { openOutside } from './outside.js'
import { Reading } from './reading.js'
import { isRunning } from './trace-folder.js'
import { commandOf } from './recording-file.js'
import { targetOfReport } from './targets.js'
import { unreachedTexts } from './unreached.js'

/** How many processes are told of one by one. */
const MOST_TOLD = 20

/** What is to be told, and made. */
export interface RecordedOptions {
  /** Whether only snapshots are written. */
  readonly isFlight: boolean
  /** Whether it was said already that the command itself could not be recorded. */
  readonly isKeptOut: boolean
  /** The signal that ended the command. */
  readonly endedBy?: NodeJS.Signals | undefined
  /** Files that are made of the recording. */
  readonly reports: readonly string[]
}

/**
 * Tells of the processes in a recording's folder, and makes what is made of it at the end. A trace
 * whose writing broke off is repaired first.
 */
export async function tellRecorded(
  dir: string,
  { isFlight, isKeptOut, endedBy, reports }: RecordedOptions,
  say: (text: string) => void,
): Promise<void> {
  const shown = shownPath(dir)
  const { findTraces } = await import('@rchan/ctf/reader')
  let folders: string[]
  try {
    folders = findTraces(dir)
  } catch {
    say(`${shown}: the folder of the recording is gone`)
    return
  }
  const complaints = complaintsIn(dir)
  complaints.forEach(say)
  if (folders.length === 0) {
    say(nothingText({ isFlight, isTold: complaints.length > 0 || isKeptOut, endedBy }))
    return
  }
  const traces = await openRepaired(folders, say)
  // Of several that have ended the model has a table.
  const told = traces.length === 1 ? traces : traces.filter(({ facts }) => facts === undefined)
  for (const trace of told.slice(0, MOST_TOLD)) say(`  ${processText(trace, endedBy)}`)
  if (told.length > MOST_TOLD) say(`  and ${told.length - MOST_TOLD} more like these`)
  const read = await readRecording(dir, { folders: traces.map(({ folder }) => folder), reports }, say)
  say(`recorded into ${shown}:`)
  say(`  rchan summary ${shown}`)
  say(`  rchan convert ${shown} --to perfetto     then open it at https://ui.perfetto.dev`)
  if (read !== undefined) await finishFiles(read, say)
}

/** Why there is no trace. @param isTold whether something was said of it. */
function nothingText({
  isFlight,
  isTold,
  endedBy,
}: Pick<RecordedOptions, 'isFlight' | 'endedBy'> & { readonly isTold: boolean }): string {
  if (isFlight) return 'no snapshot was taken: ask for one while the program runs, with rchan snapshot PID'
  if (endedBy !== undefined)
    return `nothing was recorded: ${endedBy} ended the command before a recording had begun`
  if (isTold) return 'nothing was recorded'
  return 'nothing was recorded: the command started no Node process, or none that takes NODE_OPTIONS'
}

/** Opens traces. Says what is wrong with those that it can't open, and leaves them out. */
async function openRepaired(folders: readonly string[], say: (text: string) => void): Promise<Trace[]> {
  const { openTrace, recoverTrace } = await import('@rchan/ctf/reader')
  return folders.flatMap((folder) => {
    try {
      for (const { file, cutBytes } of recoverTrace(folder)) {
        say(`${shownPath(folder)}: its writing broke off: cut ${cutBytes} bytes off ${file}`)
      }
      return openTrace(folder)
    } catch (error) {
      say(`${shownPath(folder)}: can't be read: ${reasonOf(error)}`)
      return []
    }
  })
}

/** A recording that was read, and the files that are being made of it. */
interface Read {
  readonly reading: Reading
  readonly files: readonly MadeFile[]
}

/** Reads a recording. Says what is wrong with the program, and its most telling figures. */
async function readRecording(
  dir: string,
  { folders, reports }: { readonly folders: readonly string[]; readonly reports: readonly string[] },
  say: (text: string) => void,
): Promise<Read | undefined> {
  if (folders.length === 0) return undefined
  const files: MadeFile[] = []
  try {
    const { openTraces } = await import('@rchan/ctf/reader')
    const { modelText } = await import('@rchan/analysis')
    const reading = new Reading(openTraces(folders), { title: commandOf(dir) })
    await reading.analyse()
    for (const report of reports) {
      try {
        const out = await openOutside(isAbsolute(report) ? shownPath(report) : report, folders, true)
        files.push(await reading.makeFile(targetOfReport(report), out))
      } catch (error) {
        sayUnwritten(error, say)
      }
    }
    await reading.read()
    unreachedTexts(reading.model, pidsIn(dir)).forEach(say)
    const text = modelText(reading.model)
    if (text !== '') process.stderr.write(`\n${text}\n`)
    return { reading, files }
  } catch (error) {
    for (const file of files) await file.discard()
    say(`the recording can't be read: ${reasonOf(error)}`)
    return undefined
  }
}

async function finishFiles({ reading, files }: Read, say: (text: string) => void): Promise<void> {
  const { lossText } = reading.source
  if (files.length > 0 && lossText !== undefined) say(lossText)
  for (const file of files) {
    try {
      say(await reading.finish(file))
    } catch (error) {
      sayUnwritten(error, say)
    }
  }
}

/** A report that can't be written is no failure of the program that was recorded. */
function sayUnwritten(error: unknown, say: (text: string) => void): void {
  if (!(error instanceof ReaderGone)) say(`--report: ${reasonOf(error)}`)
}

/** A path as short as it can be said here. */
export function shownPath(path: string): string {
  const name = relative(process.cwd(), path)
  return name === '' || name.startsWith('..') ? path : name
}

/** The numbers of the processes of which something is in a recording's folder. */
function pidsIn(dir: string): Set<number> {
  return new Set(readdirSync(dir).flatMap((name) => (/^\d+-/.test(name) ? [parseInt(name, 10)] : [])))
}

/** What processes wrote down, by the ends of the files' names: what is said of it. */
const COMPLAINTS = [
  { end: '.failed.txt', says: 'not recorded', withoutText: 'its folder could not be written' },
  // As on a disk that is full.
  { end: '.incomplete.txt', says: 'not recorded in full', withoutText: 'its files could not be written' },
]

/**
 * Returns why processes were not recorded, or not in full: as they wrote it down, or because they
 * died too early.
 */
function complaintsIn(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const { name } = entry
    for (const { end, says, withoutText } of COMPLAINTS) {
      if (!name.endsWith(end)) continue
      const text = readFileSync(join(dir, name), 'utf8').trim()
      return `${says}: ${name.slice(0, -end.length)}: ${text === '' ? withoutText : text}`
    }
    if (!entry.isDirectory()) return []
    // The reader takes no account of such a folder.
    const metadata = statSync(join(dir, name, 'metadata'), { throwIfNoEntry: false })
    const hasNotBegun = metadata?.isFile() === true && metadata.size === 0
    return hasNotBegun ? `not recorded: ${name}: its process ended while its recording began` : []
  })
}

function processText({ facts, folder, env }: Trace, endedBy: NodeJS.Signals | undefined): string {
  const threads = facts?.threads.filter(({ threadName }) => threadName !== SAMPLER).length ?? 0
  const bytes = readdirSync(folder).reduce((sum, name) => sum + bytesOf(join(folder, name)), 0)
  const times = facts?.threads.map(({ came }) => came) ?? []
  const from = times.reduce((least, time) => (time < least ? time : least), facts?.end ?? 0n)
  const duration = facts === undefined ? undefined : Number(facts.end - from)
  const parts = [
    `process ${folder.split(/[/\\]/).at(-1) ?? folder}`,
    duration !== undefined
      ? durationText(duration)
      : isRunning(env.pid)
        ? 'still runs'
        : endedBy === undefined
          ? 'was killed, or could not write to its end'
          : `broke off when ${endedBy} ended the command`,
    ...(threads === 0 ? [] : [`${threads} thread${threads === 1 ? '' : 's'}`]),
    `${(bytes / 1000).toFixed(0)} kB`,
  ]
  return parts.join(', ')
}

/** What a file takes of the disk: that of a killed process has holes. */
function bytesOf(path: string): number {
  const { size, blocks } = statSync(path)
  return Number.isInteger(blocks) ? Math.min(size, blocks * 512) : size
}
