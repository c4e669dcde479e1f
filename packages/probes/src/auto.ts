/**
 * `rchan/auto`: loaded before a program's own code, in each of its processes and threads, it
 * records the program as it is. The main thread starts the recording; every thread installs the
 * probes. Settings are environment variables (`settings.ts`).
 *
 * Nothing here may stop the program: what goes wrong is written down in the folder, or said on
 * stderr, and the program runs without a recording.
 */
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import type { RecordingOptions } from '@rchan/trace'
import type { StartNowOptions } from '@rchan/trace/recording'
import { reasonOf } from './reason.js'
import { samplerFor } from './sampler-data.js'
import {
  DIR_VARIABLE,
  folderName,
  fromVariables,
  makeFolders,
  PARENT_VARIABLE,
  type Settings,
} from './settings.js'
import { samplerThread } from './start-sampler.js'
import { statusPath } from './status.js'
import { listOfProcess } from './thread-list.js'
import type { choose, setUp } from './thread-setup.js'

/** What installs probes on the calling thread. */
export interface ProbesCode {
  readonly choose: typeof choose
  readonly setUp: typeof setUp
}
/** Starts a recording before it returns. */
export type StartNow = (options: RecordingOptions, more: StartNowOptions) => unknown

const LOADED = Symbol.for('rchan.auto')
/** The environment data in which workers find the settings. */
const SETTINGS = 'rchan:settings'
const LONGEST_NAME = 40
const EVALUATED = /^(-e|-p|-pe|--eval|--print)(=|$)/
/** Seldom: it wakes the consumer, which works on a CPU that the program may want. */
const FLUSH_MS = 250
/** When the sampler starts. Many processes have ended by then. */
const SAMPLER_AFTER_MS = 100

/** Where the code is that does it. Loading it takes the most part of the start. */
export interface RecordingCode {
  /** Called on the main thread only. */
  loadStart(): StartNow
  loadProbes(): ProbesCode
}

/** Records this process, or on a worker takes part in it. */
export function recordThisProgram(code: RecordingCode): void {
  // With an `rchan record` in a program that is recorded, it is loaded twice.
  const { process } = globalThis as { process: NodeJS.Process & { [LOADED]?: boolean } }
  if (process[LOADED] === true) return
  Object.defineProperty(process, LOADED, { value: true })
  let settings: Settings | undefined
  try {
    if (!isMainThread) {
      // The program may have given it other variables.
      settings = getEnvironmentData(SETTINGS) as Settings | undefined
      // Without it the process is not recorded.
      if (settings !== undefined) code.loadProbes().setUp(settings.probes)
      return
    }
    settings = fromVariables(process.env, defaultFolder)
    record(settings, code)
    setEnvironmentData(SETTINGS, settings)
    // Its children use it, too, wherever they start.
    process.env[DIR_VARIABLE] = settings.dir
    process.env[PARENT_VARIABLE] = String(process.pid)
  } catch (error) {
    complain(settings, reasonOf(error))
  }
}

function record(settings: Settings, code: RecordingCode): void {
  const { dir, events, bufferSize, isFlight, probes, parent, tellsStatus } = settings
  try {
    makeFolders(dir)
  } catch (error) {
    // Where permissions are missing, the recording knows which ones, and says so.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED') throw error
  }
  const place = join(dir, nameOfProcess())
  // What it advises, a permission for one, must be of use to the next process.
  const told = (error: unknown): string => reasonOf(error).replaceAll(place, dir)
  const statusFile = tellsStatus ? statusPath(dir, process.pid) : undefined
  const sampler = samplerFor(probes, listOfProcess().memory, statusFile)
  try {
    code.loadStart()(
      {
        ...(isFlight ? { mode: 'flight', dir: place } : { path: place }),
        ...(events.length === 0 ? {} : { events }),
        ...(bufferSize === undefined ? {} : { bufferSize }),
        ...(isFlight ? {} : { flushIntervalMs: FLUSH_MS }),
      },
      {
        onTrouble: (text) => noteTrouble(settings, text),
        onFailure: (error) => complain(settings, told(error)),
        // The thread that writes the files is on its way meanwhile.
        meanwhile: () => void code.loadProbes().choose(probes),
        ...(sampler === undefined
          ? {}
          : { companion: { ...samplerThread(sampler), afterMs: SAMPLER_AFTER_MS } }),
      },
    )
  } catch (error) {
    throw new Error(told(error), { cause: error })
  }
  // They begin at once only if the recording runs.
  code.loadProbes().setUp(probes, { parent, hasSampler: true })
}

/** The folder of a program that was started without `rchan record`. */
function defaultFolder(): string {
  return `${folderName()}-${process.pid}`
}

/** `PID-NAME`, after the file that the process runs. */
function nameOfProcess(): string {
  // Of `node -e CODE` and the like the arguments come there, and of `node -` nothing.
  const [, file = 'node'] = process.execArgv.some((text) => EVALUATED.test(text)) ? [] : process.argv
  const name = basename(file === '-' ? 'node' : file)
    .replace(/\.[cm]?[jt]sx?$/, '')
    .replaceAll(/[^\w.-]+/g, '_')
    .slice(0, LONGEST_NAME)
  return `${process.pid}-${name === '' ? 'node' : name}`
}

/** The program goes on, and what it writes on stderr is its own: `rchan record` tells it. */
function noteTrouble({ dir, parent }: Settings, text: string): void {
  try {
    // On a disk that is full it stays empty, which says enough.
    writeFileSync(join(dir, `${nameOfProcess()}.incomplete.txt`), `${text}\n`)
  } catch {
    if (parent === undefined) process.emitWarning(`rchan: ${text}`)
  }
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
