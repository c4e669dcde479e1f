/**
 * The demo: compresses and hashes the files of a folder on a pool of threads. It is a program as
 * any other: `npm run demo` runs it under `rchan record`.
 *
 * Owns the arguments, the order of the steps, and the exit status: 0; 1 if something failed; 2 for
 * wrong arguments.
 */
import { realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Job, type JobOutcome } from './job.js'
import { ProgressLine } from './progress.js'
import { bytesText, countText, numberText, printable } from './quantities.js'
import { LIMITS, selectFiles, type Selection } from './selection.js'

/** The project's folder: this file is examples/compress-tree/dist/main.js in it. */
const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const DEFAULT_FOLDER = join(PROJECT, 'node_modules')
const SHOWN_FAILURES = 5
const DEFAULT_THREADS = 4
/** With fewer, the pool would not visibly grow and shrink. */
const MIN_THREADS = 2
const MAX_THREADS = 32
const DEFAULT_QUALITY = 8
const MAX_QUALITY = 11

const HELP = `Usage: npm run demo -- [folder] [options]

Compresses (brotli) and hashes (sha256) the files of a folder on a pool of worker threads.

  folder            whose files: the project's node_modules unless told. Links are not followed; files over
                    ${bytesText(LIMITS.maxFileBytes)} are left out; it ends at ${numberText(LIMITS.maxFiles)} files or ${bytesText(LIMITS.maxBytes)}
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
  if (given === '') throw new UsageError('the name of a folder is empty')
  const folder = existingFolder(given ?? DEFAULT_FOLDER)
  return {
    folder,
    shown: given ?? 'node_modules',
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

async function demo({ folder, shown, threads, quality }: Arguments): Promise<void> {
  const selection = selectFiles(folder, shown, LIMITS)
  const { files } = selection
  console.log(
    `${selectionText(selection, shown)}\nbrotli at quality ${quality} and sha256 on 1 to ${threads} threads\n`,
  )
  let progress: ProgressLine | undefined
  const job = new Job(files, {
    quality,
    maxThreads: threads,
    onPhase: (name, count) => {
      progress?.enter(name, name === 'pause' ? 'idle threads end' : countText(count, 'file'))
    },
  })
  try {
    progress = new ProgressLine(process.stdout, files.length, () => job.progress)
    console.log(outcomeText(await job.run()))
  } finally {
    progress?.stop()
  }
}

function outcomeText({ files, bytesIn, bytesOut, failures, sha256 }: JobOutcome): string {
  const ratio = bytesOut === 0 ? '' : `, ${(bytesIn / bytesOut).toFixed(2)} : 1`
  return [
    `\n${countText(files, 'file')} compressed: ${bytesText(bytesIn)} to ${bytesText(bytesOut)}${ratio}`,
    `sha256 of all ${sha256}`,
    ...failures.slice(0, SHOWN_FAILURES).map(({ path, why }) => `skipped ${printable(path)}: ${why}`),
    ...(failures.length > SHOWN_FAILURES ? [`and ${failures.length - SHOWN_FAILURES} more`] : []),
  ].join('\n')
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

try {
  const given = readArguments()
  if (given === undefined) process.stdout.write(HELP)
  else await demo(given)
} catch (error) {
  const wrongArguments = error instanceof UsageError
  const message = (error as Error).message
  console.error(`compress-tree: ${message}${wrongArguments ? '\nTry --help.' : ''}`)
  process.exitCode = wrongArguments ? 2 : 1
}
