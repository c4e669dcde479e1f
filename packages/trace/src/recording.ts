/**
 * Recordings: the start and the stop of one trace. Runs on the thread that records. It is loaded
 * only when a recording starts, so a worker that only traces doesn't pay for it.
 */
import { thisCpu } from '@rchan/runtime'
import { call, FILES_CALL, LOSSES_CALL } from '@rchan/runtime/call'
import {
  Recorder,
  type Companion,
  type LossReport,
  type RecorderOptions,
  type Snapshot,
} from '@rchan/runtime/recorder'
import { randomUuid } from '@rchan/runtime/random'
import { PACKET_HEADER_BYTES, parseUuid } from '@rchan/ctf'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { InspectOptionsStylized } from 'node:util'
import { badArgumentsOf } from './bad-arguments.js'
import { consumerSource } from './consumer-source.js'
import { snapshot, type SnapshotOptions } from './asking.js'
import type { FormatInit } from './ctf-format.js'
import { flightInit, type FlightSettings } from './flight-options.js'
import { checkLimits } from './limits.js'
import { checkOpenFiles } from './open-files.js'
import { packetClient } from './packet-client.js'
import { checkPermissions } from './permissions.js'
import {
  checkOptions,
  geometryOf,
  type FilesOptions,
  type MemoryOptions,
  type RecordingOptions,
} from './recording-options.js'
import type { EventRules } from './rules.js'
import { checkSnapshotOn } from './snapshot-on.js'
import { INSPECT, summarize, type FlightSummary, type RecordingSummary } from './recording-summary.js'
import { claimSnapshotFolder, namedFolder } from './trace-folder.js'
import { RecordingFiles } from './recording-files.js'
import { WantedEvents } from './wanted.js'
import { ChildCount, warningsOf, type WarnedSettings } from './warnings.js'

/**
 * A running recording. The end of an `await using` block stops it, too. `Path` is the type of its
 * folder: `string | undefined` for a recording in memory.
 */
export interface Recording<Path extends string | undefined = string> extends AsyncDisposable {
  /**
   * The folder of the trace, absolute; of a flight recorder, the folder of the snapshots. Undefined
   * for a recording in memory, until its files are set up.
   */
  readonly path: Path
  /**
   * Recording in memory: writes to a folder what was kept so far, and goes on as a recording with
   * files. No thread that traces has to do anything for it.
   *
   * @returns the folder, absolute, once what was kept is there. (Events that don't fill a
   * sub-buffer yet follow with the next flush, as always.)
   * @throws (the promise) TypeError for bad options; Error if the folder can't be used, if the
   * recording has files or is a flight recorder, or if it was stopped. Then the folder is as it was
   * before, and so is the recording.
   * @example
   * const recording = await startRecording()
   * // Minutes later, when something is wrong:
   * await recording.setUpFiles({ dir: 'traces' })
   */
  setUpFiles(options: FilesOptions): Promise<string>
  /**
   * Wants more events from now on, or some with other limits: adds rules behind those that are
   * there. Threads follow at their next call, also those that never return to their event loop. For
   * the thread that records.
   *
   * @throws TypeError or RangeError for bad rules; Error if the recording was stopped.
   * @example
   * recording.enable(['pool:debug', { match: 'tile:*', minDurationNs: 1e6 }])
   */
  enable(rules: EventRules): void
  /**
   * Wants no more events of these names or patterns from now on. A call of such a tracepoint then
   * costs as much as without a recording, and is not counted.
   *
   * @throws as {@link enable}.
   */
  disable(patterns: readonly string[]): void
  /**
   * Flight recorder: writes the last events of all threads to a folder of its own, as a trace that
   * is whole and consistent: it has no event that was traced after another thread's event was seen,
   * without that one, unless that one was overwritten. The threads go on tracing meanwhile. It
   * takes some 20 ms, and the time to write the buffers. Several calls at once each get a snapshot.
   *
   * @throws (the promise) Error if the limits (`snapshots`) forbid one, if it can't be written, if
   * the recording is no flight recorder, or is over.
   */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>
  /**
   * Tells what became of all events so far, by thread: how many are in the trace, and how many were
   * lost by which cause. It asks the thread that writes the files, and no thread that traces. While
   * threads trace, the counts are of about now. `pending` events are still in the buffers.
   * `attempted` is the sum of all other counts. After `stop` it tells the final counts.
   *
   * @throws Error if the thread that writes the files failed.
   */
  losses(): Promise<LossReport>
  /**
   * Stops the recording. An event whose call returned before `stop` was called is then in the
   * files, or is counted as lost. The files are not synced to the disk. A second call returns the
   * same summary.
   *
   * @throws Error if the thread that writes the files failed.
   */
  stop(): Promise<RecordingSummary<Path>>
}

/** A running flight recorder. */
export interface FlightRecording extends Recording {
  /** As {@link Recording.stop}. Its summary has the snapshots. */
  stop(): Promise<FlightSummary>
}

type Summary = RecordingSummary<string | undefined>

const NO_LATE_FILES =
  'setUpFiles: this is a flight recorder, whose files are its snapshots: call recording.snapshot()'
/**
 * File descriptors that have to be left in a program that is recorded as it is: the recording takes
 * a dozen, and two for each thread, and the program shall find what it needs.
 */
const LEFT_FOR_PROGRAM = 64
/** The version of all packages. A test compares it with package.json. */
export const VERSION = '0.1.0'

/** Starts a recording: see `startRecording` in index.ts. */
export async function start(
  options: RecordingOptions | MemoryOptions = {},
): Promise<Recording<string | undefined>> {
  const { recorder, make, failed, settle } = prepare(options, warn)
  try {
    return make(await Recorder.start(recorder))
  } catch (error) {
    throw failed(error)
  } finally {
    settle()
  }
}

/** What `rchan/auto` has beside the options of a recording. */
export interface StartNowOptions {
  /** Is told when the files can't be written for a while. */
  readonly onTrouble: (text: string) => void
  /** Is told if the thread that writes the files can't start, after `startNow` has returned. */
  readonly onFailure: (error: Error) => void
  /** Is called before anything is recorded. What it throws ends the start. */
  readonly meanwhile: () => void
  /** A thread to start some time later. */
  readonly companion?: Companion | undefined
}

/**
 * Starts a recording before it returns, for `rchan/auto`. It does not wait for the thread that
 * writes the files.
 */
export function startNow(
  options: RecordingOptions | MemoryOptions,
  { onTrouble, onFailure, meanwhile, companion }: StartNowOptions,
): Recording<string | undefined> {
  checkOpenFiles(LEFT_FOR_PROGRAM)
  const { recorder, make, failed, settle } = prepare(options, onTrouble, companion)
  try {
    return make(Recorder.startNow(recorder, meanwhile, (error) => onFailure(failed(error))))
  } catch (error) {
    throw failed(error)
  } finally {
    settle()
  }
}

function warn(text: string): void {
  process.emitWarning(`rchan: ${text}`)
}

/** A recording whose options were checked, and whose folder was made. */
interface Prepared {
  readonly recorder: RecorderOptions
  /** Returns the recording, once its recorder runs. */
  readonly make: (runtime: Recorder) => Recording<string | undefined>
  /** Takes back what was made. @returns the error to throw. */
  readonly failed: (error: unknown) => Error
  /** The start is over, in whatever way. */
  readonly settle: () => void
}

function prepare(
  options: RecordingOptions | MemoryOptions,
  onTrouble: (text: string) => void,
  companion?: Companion,
): Prepared {
  const { mode, buffers, bufferSize, flushIntervalMs, possibleCpus } = checkOptions(options)
  const global = buffers === 'global'
  const isFlight = mode === 'flight'
  const flightSettings = options as FlightSettings
  const snapshotOn = checkSnapshotOn(flightSettings.snapshotOn)
  const wanted = new WantedEvents('startRecording', options.events)
  const where =
    options.path === undefined && options.dir === undefined ? undefined : (options as FilesOptions)
  const flight = isFlight
    ? flightInit(flightSettings, namedFolder(where as FilesOptions), snapshotOn)
    : undefined
  checkLimits((global ? 1 : possibleCpus) * bufferSize)
  checkPermissions(where === undefined ? undefined : namedFolder(where))
  const files = new RecordingFiles(where, isFlight ? claimSnapshotFolder : undefined)
  const ringMode = isFlight ? 'overwrite' : mode
  const geometry = geometryOf(bufferSize)
  const uuid = randomUuid()
  // If the process ends before the recording has started, it leaves nothing behind either.
  process.once('exit', files.undo)
  const recorder: RecorderOptions = {
    rules: wanted.text,
    channel: {
      ...geometry,
      mode: ringMode,
      headerBytes: PACKET_HEADER_BYTES,
      possibleCpus,
      global,
    },
    client: parseUuid(uuid),
    cpuClient: packetClient,
    consumer: {
      get target() {
        return files.target
      },
      sinkInit: files.path,
      flushIntervalMs,
      program: consumerSource,
      formatInit: formatInit(uuid, global),
      onTrouble,
      companion,
      ...(flight === undefined ? {} : { flight }),
    },
    triggers: isFlight ? snapshotOn.triggers : undefined,
  }
  const shape = { mode: ringMode, bufferSize, possibleCpus, ...geometry }
  return {
    recorder,
    make: (runtime) => recordingOf(runtime, { files, wanted, isFlight, shape }),
    failed(error) {
      files.undo()
      return new Error(`can't record into ${files.target}: ${(error as Error).message}`, { cause: error })
    },
    settle: () => void process.off('exit', files.undo),
  }
}

/** What a recording that runs has, beside its recorder. */
interface Parts {
  readonly files: RecordingFiles
  readonly wanted: WantedEvents
  readonly isFlight: boolean
  /** For the warnings at its end. */
  readonly shape: Omit<WarnedSettings, 'hasFiles'>
}

function recordingOf(
  runtime: Recorder,
  { files, wanted, isFlight, shape }: Parts,
): Recording<string | undefined> {
  if (wanted.text !== '') wanted.apply()
  const change = (what: string, rules: unknown): void => {
    if (stopped !== undefined) throw new Error(`${what}: the recording was stopped`)
    wanted.add(what, rules)
  }
  const children = new ChildCount()
  let stopped: Promise<Summary> | undefined
  let summary: Summary | undefined
  const stop = (): Promise<Summary> => {
    stopped ??= runtime.stop().then(async (totals) => {
      // A set-up that was under way is done, or refused.
      const path = await files.settled()
      const settings = { ...shape, hasFiles: path !== undefined }
      const warnings = [...warningsOf(totals, settings, children.end()), ...unmatchedText(wanted)]
      summary = summarize(path, totals, badArgumentsOf(totals), warnings)
      return summary
    })
    return stopped
  }
  const losses = async (): Promise<LossReport> => {
    try {
      if (stopped === undefined) return (await call(thisCpu.control, LOSSES_CALL)) as LossReport
    } catch (error) {
      // The recording may have been stopped meanwhile.
      if (stopped === undefined) throw error
    }
    return (await stopped).losses
  }
  return {
    get path() {
      return files.path
    },
    async setUpFiles(late) {
      if (isFlight) throw new Error(NO_LATE_FILES)
      if (stopped !== undefined) {
        throw new Error(
          'setUpFiles: the recording was stopped, and what it kept in memory is gone: call it before stop',
        )
      }
      return await files.setUp(late, (path) => call(thisCpu.control, FILES_CALL, path))
    },
    enable: (rules) => change('enable', rules),
    disable(patterns) {
      if (!Array.isArray(patterns)) throw new TypeError(`disable: patterns=${String(patterns)} is not a list`)
      change(
        'disable',
        patterns.map((pattern: unknown) => (typeof pattern === 'string' ? `!${pattern}` : pattern)),
      )
    },
    losses,
    stop,
    snapshot,
    // Enumerable, so a copy has it. As a symbol it is not in JSON.
    [INSPECT]: () => summary ?? new Running(files.target),
    async [Symbol.asyncDispose]() {
      await stop()
    },
  }
}

function unmatchedText(wanted: WantedEvents): string[] {
  const patterns = wanted.unmatched()
  if (patterns.length === 0) return []
  return [
    `no tracepoint has a name that matches ${patterns.join(', ')}: compare the rules of \`events\` with the names`,
  ]
}

/** How a recording prints that has not stopped. */
class Running {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  [INSPECT](depth: number, options: InspectOptionsStylized): string {
    if (depth < 0) return options.stylize('[Recording]', 'special')
    return `Recording { running → ${options.stylize(this.#path, 'string')} }`
  }
}

function formatInit(uuid: string, global: boolean): FormatInit {
  let bootId: string | undefined
  try {
    bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    // Not Linux: the clock has no identity to share with other traces.
  }
  return {
    ...(global ? { global } : {}),
    uuid,
    clock: bootId === undefined ? {} : { uuid: bootId },
    env: {
      tracer_name: 'rchan',
      tracer_version: VERSION,
      hostname: hostname(),
      pid: process.pid,
      node_version: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
  }
}

export { requestSnapshot } from '@rchan/runtime/recorder'
