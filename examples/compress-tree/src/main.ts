/**
 * The demo: compresses and hashes the files of a folder on a pool of threads while it records, and
 * prints what the recording shows.
 *
 * Owns the arguments, the order of the steps, and the exit status: 0; 1 if something failed; 2 for
 * wrong arguments.
 */
import { startRecording } from 'rchan'
import { openTrace } from 'rchan/reader'
import { realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { analyse } from './analysis.js'
import { writeChromeTrace } from './chrome.js'
import { Job } from './job.js'
import { outputOf, prepareOutput, type Output } from './output.js'
import { ProgressLine } from './progress.js'
import { bytesText, countText, numberText } from './quantities.js'
import { printable, reportText, summarize, type Summary } from './report.js'
import { LIMITS, selectFiles, type Selection } from './selection.js'
import { timelineSvg } from './timeline.js'

/** The project's folder: this file is examples/compress-tree/dist/main.js in it. */
const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const DEFAULT_FOLDER = join(PROJECT, 'node_modules')
const DEFAULT_OUTPUT = join(PROJECT, 'demo-output')
const DEFAULT_THREADS = 4
/** With fewer, the pool would not visibly grow and shrink. */
const MIN_THREADS = 2
const MAX_THREADS = 32
const DEFAULT_QUALITY = 8
const MAX_QUALITY = 11

const HELP = `Usage: npm run demo -- [folder] [options]

Compresses (brotli) and hashes (sha256) the files of a folder on a pool of worker threads, and records it.

  folder            whose files: the project's node_modules unless told. Links are not followed; files over
                    ${bytesText(LIMITS.maxFileBytes)} are left out; it ends at ${numberText(LIMITS.maxFiles)} files or ${bytesText(LIMITS.maxBytes)}
  --out <folder>    where the trace goes: demo-output in the project unless told
  --threads <n>     most threads of the pool: ${DEFAULT_THREADS} unless told, ${MIN_THREADS} to ${MAX_THREADS}
  --quality <n>     of brotli: ${DEFAULT_QUALITY} unless told, 0 to ${MAX_QUALITY}
  --help            this text
`

/** Wrong arguments. The user needs only the message. */
class UsageError extends Error {}

interface Arguments {
  /** Absolute. */
  readonly folder: string
  /** As the user named it. */
  readonly shown: string
  readonly out: string
  readonly threads: number
  readonly quality: number
}

/** @returns undefined if the user only asked for help. */
function readArguments(): Arguments | undefined {
  let parsed
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        threads: { type: 'string' },
        quality: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  const { values, positionals } = parsed
  if (values.help === true) return undefined
  if (positionals.length > 1) {
    throw new UsageError(`one folder at a time, not ${positionals.length}: ${positionals.join(', ')}`)
  }
  const [given] = positionals
  if (given === '' || values.out === '') throw new UsageError('the name of a folder is empty')
  const folder = existingFolder(given ?? DEFAULT_FOLDER)
  const out = resolve(values.out ?? DEFAULT_OUTPUT)
  if (folder === out) throw new UsageError(`${out} can't be read and be the output at the same time`)
  return {
    folder,
    shown: given ?? 'node_modules',
    out,
    threads: whole('--threads', values.threads, DEFAULT_THREADS, MIN_THREADS, MAX_THREADS),
    quality: whole('--quality', values.quality, DEFAULT_QUALITY, 0, MAX_QUALITY),
  }
}

function whole(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`${name}=${text} is not a whole number from ${least} to ${most}`)
  }
  return value
}

function existingFolder(given: string): string {
  try {
    if (statSync(given).isDirectory()) return realpathSync(given)
  } catch (error) {
    throw new UsageError(`can't use ${given}: ${(error as Error).message}`)
  }
  throw new UsageError(`${given} is not a folder`)
}

function prepare(out: string): Output {
  const output = outputOf(out)
  try {
    prepareOutput(output)
  } catch (error) {
    throw new UsageError(`can't use ${out} for the output: ${(error as Error).message}`)
  }
  return output
}

async function demo({ folder, shown, out, threads, quality }: Arguments): Promise<number> {
  const output = prepare(out)
  const selection = selectFiles(folder, shown, LIMITS, realpathSync(out))
  const { files } = selection
  console.log(
    `${selectionText(selection, shown)}\n` +
      `brotli at quality ${quality} and sha256 on 1 to ${threads} threads, recorded into ${shellPath(output.trace)}\n`,
  )

  const recording = await startRecording({ path: output.trace })
  const interrupt = (): void => {
    void recording.stop().then(({ events }) => {
      console.error(
        `\ninterrupted: ${countText(events, 'event')} recorded until now, in ${shellPath(output.trace)}`,
      )
      process.exit(130)
    })
  }
  process.once('SIGINT', interrupt)
  let progress: ProgressLine | undefined
  const job = new Job(files, {
    quality,
    maxThreads: threads,
    onPhase: (name, count) => {
      progress?.enter(name, name === 'pause' ? 'idle threads end' : countText(count, 'file'))
    },
  })
  let outcome
  let recorded
  try {
    progress = new ProgressLine(process.stdout, files.length, () => job.progress)
    outcome = await job.run()
  } finally {
    progress?.stop()
    recorded = await recording.stop()
    process.off('SIGINT', interrupt)
  }

  const analysis = analyse(openTrace(output.trace).records())
  const summary = summarize(outcome, recorded, analysis)
  await writeChromeTrace(output.chromeTrace, analysis)
  writeFileSync(output.timeline, timelineSvg(analysis))
  writeFileSync(output.summary, `${JSON.stringify(summary, null, 2)}\n`)
  console.log(`\n${reportText(summary)}\n\n${placesText(output, summary)}`)

  if (recorded.error !== undefined) {
    console.error(`\nthe file system failed while recording: ${recorded.error}`)
    return 1
  }
  if (analysis.events !== recorded.events) {
    console.error(
      `\nthe trace holds ${analysis.events} events, the recording counted ${recorded.events}: please report it`,
    )
    return 1
  }
  return 0
}

function selectionText(selection: Selection, shown: string): string {
  const { files, bytes, specialCount, tooBigCount, unreadableCount, cut } = selection
  const left = [
    [tooBigCount, `over ${bytesText(LIMITS.maxFileBytes)}`],
    [specialCount, 'links and the like'],
    [unreadableCount, 'unreadable'],
  ].filter(([count]) => count !== 0)
  return (
    `${countText(files.length, 'file')} of ${printable(shown)}, ${bytesText(bytes)}` +
    (left.length === 0 ? '' : `; left out: ${left.map(([count, what]) => `${count} ${what}`).join(', ')}`) +
    (cut
      ? `; stopped at ${numberText(LIMITS.maxFiles)} files or ${bytesText(LIMITS.maxBytes)}, it holds more`
      : '')
  )
}

function placesText(
  { trace, chromeTrace, timeline, summary: summaryFile }: Output,
  summary: Summary,
): string {
  const { events, cpus, threads, traceBytes } = summary
  const rows = [
    [
      trace,
      `${countText(events, 'event')} of ${countText(cpus, 'CPU')}, ${countText(threads, 'thread')}, ` +
        bytesText(traceBytes),
    ],
    [timeline, 'a picture: which thread ran which task when, and how many waited'],
    [chromeTrace, 'the same to zoom into: a track for each thread, an arrow from each submit to its run'],
    [summaryFile, 'these figures'],
  ].map(([path, what]) => [shellPath(path), what])
  const width = Math.max(...rows.map(([path]) => path.length))
  return [
    ...rows.map(([path, what]) => `  ${path.padEnd(width)}   ${what}`),
    '',
    'to open them',
    `  a browser, for ${shellPath(timeline)}`,
    `  babeltrace2 ${shellPath(trace)}`,
    `  https://ui.perfetto.dev → Open trace file → ${shellPath(chromeTrace)}`,
  ].join('\n')
}

/**
 * Returns a path relative to the user's working directory, if it is inside; in quotes if a shell
 * needs them.
 */
function shellPath(path: string): string {
  const near = relative(process.cwd(), path)
  const shown = near === '' || near.startsWith('..') ? path : near
  return /^[\w./@:+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", String.raw`'\''`)}'`
}

try {
  const given = readArguments()
  if (given === undefined) process.stdout.write(HELP)
  else process.exitCode = await demo(given)
} catch (error) {
  const wrongArguments = error instanceof UsageError
  const message = (error as Error).message
  console.error(`compress-tree: ${message}${wrongArguments ? '\nTry --help.' : ''}`)
  process.exitCode = wrongArguments ? 2 : 1
}
