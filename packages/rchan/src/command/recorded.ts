/** What `rchan record` says when the program has ended: what is there, and what opens it. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Trace } from '@rchan/ctf/reader'
import { SAMPLER } from '@rchan/probes/sampler-data'
import { reasonOf } from './fault.js'

const NS_PER_S = 1e9
/** How many processes are told of one by one. */
const MOST_TOLD = 20

/**
 * Tells of the processes in a recording's folder. A trace whose writing broke off is repaired
 * first.
 *
 * @param isKeptOut whether it was said already that the command itself could not be recorded.
 * @returns whether there is a trace.
 */
export async function tellRecorded(
  dir: string,
  isFlight: boolean,
  isKeptOut: boolean,
  say: (text: string) => void,
): Promise<boolean> {
  const shown = nameOf(dir)
  const { findTraces, openTrace, recoverTrace } = await import('@rchan/ctf/reader')
  let folders: string[]
  try {
    folders = findTraces(dir)
  } catch {
    say(`${shown}: the folder of the recording is gone`)
    return false
  }
  const complaints = complaintsIn(dir)
  complaints.forEach(say)
  if (folders.length === 0) {
    say(
      isFlight
        ? `no snapshot was taken: ask for one while the program runs, with rchan snapshot PID`
        : complaints.length > 0 || isKeptOut
          ? 'nothing was recorded'
          : 'nothing was recorded: the command started no Node process, or none that takes NODE_OPTIONS',
    )
    return false
  }
  const processes: { trace: Trace; folder: string }[] = []
  for (const folder of folders) {
    try {
      for (const { file, cutBytes } of recoverTrace(folder)) {
        say(`${nameOf(folder)}: its writing broke off: cut ${cutBytes} bytes off ${file}`)
      }
      processes.push({ trace: openTrace(folder), folder })
    } catch (error) {
      say(`${nameOf(folder)}: can't be read: ${reasonOf(error)}`)
    }
  }
  for (const { trace, folder } of processes.slice(0, MOST_TOLD)) say(`  ${processText(trace, folder)}`)
  if (processes.length > MOST_TOLD) say(`  and ${processes.length - MOST_TOLD} more processes`)
  if (processes.length > 0)
    await tellFindings(
      processes.map(({ folder }) => folder),
      say,
    )
  say(`recorded into ${shown}:`)
  say(`  rchan summary ${shown}`)
  say(`  rchan convert ${shown} --to perfetto     then open it at https://ui.perfetto.dev`)
  return processes.length > 0
}

/** Says what is wrong with the program, and its most telling figures. */
async function tellFindings(folders: readonly string[], say: (text: string) => void): Promise<void> {
  try {
    const { openTraces } = await import('@rchan/ctf/reader')
    const { analyse, modelText } = await import('@rchan/analysis')
    const text = modelText(analyse(openTraces(folders)))
    if (text !== '') process.stderr.write(`\n${text}\n`)
  } catch (error) {
    say(`the recording can't be analysed: ${reasonOf(error)}`)
  }
}

function nameOf(path: string): string {
  const name = relative(process.cwd(), path)
  return name === '' || name.startsWith('..') ? path : name
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

function processText(trace: Trace, folder: string): string {
  const { facts } = trace
  const threads = facts?.threads.filter(({ threadName }) => threadName !== SAMPLER).length ?? 0
  const bytes = readdirSync(folder).reduce((sum, name) => sum + bytesOf(join(folder, name)), 0)
  const times = facts?.threads.map(({ came }) => came) ?? []
  const from = times.reduce((least, time) => (time < least ? time : least), facts?.end ?? 0n)
  const seconds = facts === undefined ? undefined : Number(facts.end - from) / NS_PER_S
  const parts = [
    `process ${folder.split(/[/\\]/).at(-1) ?? folder}`,
    ...(seconds === undefined ? ['was killed, or still runs'] : [`${seconds.toFixed(1)} s`]),
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
