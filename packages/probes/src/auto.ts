/**
 * `rchan/auto`: loaded before a program's own code, in each of its processes and threads, it
 * records the program as it is. The main thread starts the recording and waits for it, some 30 ms;
 * every thread installs the probes. Settings are environment variables (`settings.ts`).
 *
 * Nothing here may stop the program: what goes wrong is written down in the folder, or said on
 * stderr, and the program runs without a recording.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { RecordingOptions } from '@rchan/trace'
import { choose } from './catalog.js'
import { reasonOf } from './probe.js'
import { folderName, fromVariables, type Settings } from './settings.js'
import { statusPath } from './status.js'
import { setUp } from './thread-setup.js'

/** Starts a recording before it returns. */
export type StartNow = (options: RecordingOptions) => unknown

const LOADED = Symbol.for('rchan.auto')
const LONGEST_NAME = 40
/** Seldom: it wakes the consumer, which works on a CPU that the program may want. */
const FLUSH_MS = 250

/**
 * Records this process, or on a worker takes part in it.
 *
 * @param startNow gives the function that starts a recording; called on the main thread only.
 */
export function recordThisProgram(startNow: () => StartNow): void {
  // With an `rchan record` in a program that is recorded, it is loaded twice.
  const { process } = globalThis as { process: NodeJS.Process & { [LOADED]?: boolean } }
  if (process[LOADED] === true) return
  Object.defineProperty(process, LOADED, { value: true })
  let settings: Settings | undefined
  try {
    settings = fromVariables(process.env, defaultFolder)
    choose(settings.probes)
    if (isMainThread) record(settings, startNow())
    const statusFile = settings.tellsStatus ? statusPath(settings.dir, process.pid) : undefined
    setUp(settings.probes, isMainThread ? statusFile : undefined)
  } catch (error) {
    complain(settings, reasonOf(error))
  }
}

function record(settings: Settings, start: StartNow): void {
  const { dir, events, bufferSize, isFlight } = settings
  try {
    mkdirSync(dir, { recursive: true })
  } catch (error) {
    // Where permissions are missing, the recording knows which ones, and says so.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED') throw error
  }
  const place = join(dir, nameOfProcess())
  start({
    ...(isFlight ? { mode: 'flight', dir: place } : { path: place }),
    ...(events.length === 0 ? {} : { events }),
    ...(bufferSize === undefined ? {} : { bufferSize }),
    ...(isFlight ? {} : { flushIntervalMs: FLUSH_MS }),
  })
}

/** The folder of a program that was started without `rchan record`. Its children use it, too. */
function defaultFolder(): string {
  const dir = resolve(`${folderName()}-${process.pid}`)
  process.env.RCHAN_DIR = dir
  return dir
}

/** `PID-NAME`, after the file that the process runs. */
function nameOfProcess(): string {
  const [, file = 'node'] = process.argv
  const name = basename(file)
    .replace(/\.[cm]?[jt]sx?$/, '')
    .replaceAll(/[^\w.-]+/g, '_')
    .slice(0, LONGEST_NAME)
  return `${process.pid}-${name === '' ? 'node' : name}`
}

function complain(settings: Settings | undefined, why: string): void {
  try {
    if (settings === undefined) throw new Error('no folder')
    const who = isMainThread ? nameOfProcess() : `${nameOfProcess()}-worker`
    writeFileSync(join(settings.dir, `${who}.failed.txt`), `${why}\n`)
  } catch {
    process.stderr.write(`rchan: process ${process.pid} is not recorded: ${why}\n`)
  }
}
