/**
 * `rchan record`: runs a command, and records each Node process of it as it is. The processes load
 * `rchan/auto` before their own code, by `NODE_OPTIONS`; all else stays as the program has it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { folderName, makeFolders, withSettings, type Settings } from '@rchan/probes/settings'
import { CommandError, reasonOf, UsageError } from './fault.js'
import { LiveLine } from './live-line.js'
import { missingFlags } from './permission-flags.js'
import { isRecording, writeRecordingFile } from './recording-file.js'
import { shownPath, tellRecorded } from './recorded.js'
import { targetOfReport } from './targets.js'

/** As the command line has them. */
export interface RecordOptions {
  readonly dir?: string
  readonly probe?: readonly string[]
  readonly events?: readonly string[]
  readonly bufferSize?: number
  readonly flight?: boolean
  /** Files to write at the end; false for none. */
  readonly report?: readonly string[] | false
  readonly force?: boolean
  readonly quiet?: boolean
}

/** What is written at the end, into the folder. */
const PAGE = 'report.html'

/** Exit codes as shells have them. */
const NOT_FOUND = 127
const NOT_EXECUTABLE = 126
const SIGNALLED = 128

/** What a terminal sends to all of its processes, the program among them. */
const FROM_TERMINALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']
/** What is sent to this process, and meant for the program. */
const TO_PASS_ON: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR2']

/** Signals that this process gets while the program runs. */
interface PassedSignals {
  /** The last one. */
  last: NodeJS.Signals | undefined
  /** From now on they are for this process. */
  stop(): void
}

/**
 * Runs a command and records it.
 *
 * @param command the program and its arguments.
 * @param preload the file that each Node process loads first.
 * @returns the exit code: that of the command.
 */
export async function record(
  command: readonly string[],
  options: RecordOptions,
  preload: string,
  say: (text: string) => void,
): Promise<number> {
  const [file, ...args] = command
  if (file === undefined || file === '') {
    throw new UsageError('record: no command: rchan record -- node app.js')
  }
  if (options.dir === '') throw new UsageError('--dir: the name of the folder is empty')
  await checkProbes(options.probe ?? [])
  // A wrong name is said before the program runs.
  for (const report of options.report || []) targetOfReport(report)
  const dir = makeFolder(options.dir, options.force === true)
  const reports = options.report === false ? [] : (options.report ?? [join(dir, PAGE)])
  const started = new Date()
  const line = options.quiet === true ? undefined : LiveLine.start(dir)
  const settings = settingsOf(options, dir, line !== undefined)
  const missing = missingFlags(command, { preload, dir })
  const isKeptOut = missing.length > 0
  // Before there is a program that a signal could be for.
  const signals = passSignals((signal) => child.kill(signal))
  const child = spawn(file, args, {
    stdio: 'inherit',
    // On Windows `npm` and `npx` are scripts, which only a shell finds.
    shell: process.platform === 'win32',
    env: isKeptOut
      ? process.env
      : {
          ...withSettings(process.env, settings),
          NODE_OPTIONS: withPreload(process.env.NODE_OPTIONS, preload),
        },
  })
  let end: { code: number | null; signal: NodeJS.Signals | null }
  try {
    end = await ended(child)
  } catch (error) {
    removeIfEmpty(dir)
    const { code } = error as NodeJS.ErrnoException
    say(`${file}: can't be started: ${reasonOf(error)}`)
    return code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE
  } finally {
    line?.end()
    signals.stop()
  }
  try {
    writeRecordingFile(dir, { command, started, ended: new Date(), ...end })
  } catch (error) {
    // The folder may be gone, which is said below. Its traces can be read one by one.
    if (existsSync(dir)) say(`${shownPath(dir)}: recording.json can't be written: ${reasonOf(error)}`)
  }
  if (isKeptOut) {
    say(
      `not recorded: Node's permission model keeps the program from it: add ${missing.join(' ')} to the flags of node`,
    )
  }
  // A shell or npm in between makes an exit code of it.
  const endedBy = end.signal ?? (end.code === 0 ? undefined : signals.last)
  await tellRecorded(dir, { isFlight: options.flight === true, isKeptOut, reports, endedBy }, say)
  return end.signal === null ? (end.code ?? 0) : SIGNALLED + constants.signals[end.signal]
}

async function checkProbes(choice: readonly string[]): Promise<void> {
  if (choice.length === 0) return
  const { PROBES } = await import('@rchan/probes')
  const names = ['all', ...PROBES.map(({ name }) => name)]
  for (const text of choice) {
    if (names.includes(text.replace(/^-/, ''))) continue
    const option = text.startsWith('-') ? `--no-probe ${text.slice(1)}` : `--probe ${text}`
    throw new UsageError(`${option}: there is no such probe; there are ${names.slice(1).join(', ')}, and all`)
  }
}

/** Makes the folder of the recording. @param force whether it may replace a recording. */
function makeFolder(dir: string | undefined, force: boolean): string {
  if (dir === undefined) {
    const name = folderName()
    for (let count = 1; ; count += 1) {
      const folder = resolve(`${name}${count === 1 ? '' : `-${count}`}`)
      try {
        mkdirSync(folder)
        return folder
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
        throw new CommandError(
          `${folder}: can't be made: ${reasonOf(error)}: choose another place with --dir, ${tmpdir()} for one`,
        )
      }
    }
  }
  const folder = resolve(dir)
  try {
    makeFolders(folder)
  } catch (error) {
    throw new CommandError(`--dir ${dir}: can't be made: ${reasonOf(error)}`)
  }
  if (force && isRecording(folder)) {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
  }
  if (readdirSync(folder).length > 0) {
    if (isRecording(folder)) {
      throw new CommandError(
        `--dir ${dir}: has a recording in it: replace it with --force, or give another folder`,
      )
    }
    throw new CommandError(`--dir ${dir}: is not empty: give a folder that does not exist, or an empty one`)
  }
  return folder
}

function removeIfEmpty(dir: string): void {
  try {
    if (readdirSync(dir).length === 0) rmSync(dir, { recursive: true })
  } catch {
    // It is gone.
  }
}

function settingsOf(options: RecordOptions, dir: string, tellsStatus: boolean): Settings {
  const { probe = [], events = [], bufferSize, flight = false } = options
  return { dir, probes: probe, events, bufferSize, isFlight: flight, tellsStatus, parent: 0 }
}

/** Returns `NODE_OPTIONS` with the preload before what the user has there. */
export function withPreload(options: string | undefined, preload: string): string {
  // In quotes, for a path with spaces; Node takes a backslash as an escape there.
  const quoted = /["\\\s]/.test(preload) ? `"${preload.replaceAll(/["\\]/g, String.raw`\$&`)}"` : preload
  const own = `--require ${quoted}`
  return options === undefined || options.trim() === '' ? own : `${own} ${options}`
}

async function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return await new Promise((done, fail) => {
    child.once('error', fail)
    child.once('exit', (code, signal) => done({ code, signal }))
  })
}

/** Lets the program decide what signals do. */
function passSignals(pass: (signal: NodeJS.Signals) => void): PassedSignals {
  // Then the terminal has sent it to the program, too.
  const isForeground = process.stdin.isTTY || process.stderr.isTTY
  const release: (() => void)[] = []
  const passed: PassedSignals = {
    last: undefined,
    stop: () => release.forEach((each) => each()),
  }
  for (const signal of new Set([...FROM_TERMINALS, ...TO_PASS_ON])) {
    const listener = (): void => {
      passed.last = signal
      if (!isForeground || !FROM_TERMINALS.includes(signal)) pass(signal)
    }
    process.on(signal, listener)
    release.push(() => process.off(signal, listener))
  }
  return passed
}
