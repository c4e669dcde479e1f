/**
 * The options of a recording: checked, with their defaults. Runs on the thread that records.
 */
import { sizeFor, type FlightSettings } from './flight-options.js'
import type { EventRules } from './rules.js'
import { checkFolderOptions } from './trace-folder.js'

/** The folder of a trace: one of two ways to name it. */
export type FilesOptions =
  | {
      /**
       * The folder of the trace. It must be empty, or absent (then it is made). A path, or a
       * `file:` URL object.
       */
      readonly path: string | URL
      readonly dir?: undefined
    }
  | {
      /**
       * A folder in which a fresh one is made for the trace, named after the time
       * (`trace-20261123-080750`).
       */
      readonly dir: string | URL
      readonly path?: undefined
    }

/** Options of a recording: its folder and its settings; or those of a flight recorder. */
export type RecordingOptions = (RecordingSettings & FilesOptions) | FlightOptions

/**
 * Options of a recording without a folder: everything is kept in memory, until
 * `recording.setUpFiles` gives it one.
 */
export type MemoryOptions = RecordingSettings & { readonly path?: undefined; readonly dir?: undefined }

/** Options of a flight recorder. */
export interface FlightOptions extends Omit<RecordingSettings, 'mode'>, FlightSettings {
  /** Nothing is written until a snapshot is asked for. The oldest events are overwritten. */
  readonly mode: 'flight'
  /** The folder in which one is made for each snapshot. */
  readonly dir: string | URL
  readonly path?: undefined
}

/** How to record. */
export interface RecordingSettings {
  /**
   * Which events are lost when a thread writes faster than its buffer is drained: the newest
   * (`'discard'`, the default) or the oldest (`'overwrite'`). Both are counted. For `'flight'` see
   * {@link FlightOptions}.
   */
  readonly mode?: 'discard' | 'overwrite'
  /**
   * Whether each tracing thread writes to its own buffer (`'per-thread'`, the default) or all
   * threads write to one (`'global'`). In one buffer all events are in strict order of time, and
   * the recording takes `bufferSize` of memory, however many threads trace. But an event takes 2 to
   * 3 times as long, and longer if threads trace at the same moment.
   */
  readonly buffers?: 'per-thread' | 'global'
  /**
   * Buffer size in bytes, for each tracing thread (with `buffers: 'global'`: in total). From 32 KiB
   * to 256 MiB, by default 4 MiB; rounded up to whole sub-buffers. Room for `possibleCpus` buffers
   * is set aside, but memory that no thread touches is not used: a program in which 5 threads trace
   * uses 5 buffers, 20 MiB.
   */
  readonly bufferSize?: number
  /**
   * How often events that don't fill a sub-buffer yet are written to the files, in milliseconds.
   * From 10 to 60000, by default 100.
   */
  readonly flushIntervalMs?: number
  /**
   * Which events are wanted: patterns of names (`'pool:*'`; `'!pool:debug'`: not these), or objects
   * that say more, with a level, a least duration of spans, or only every so many-th call. The last
   * rule that matches decides. By default all are. See docs/control.md.
   */
  readonly events?: EventRules
  /**
   * How many threads can trace at once. From 1 to 1024, by default 64. A thread that ended makes
   * room for the next.
   */
  readonly possibleCpus?: number
}

const OPTIONS = [
  'path',
  'dir',
  'mode',
  'buffers',
  'bufferSize',
  'flushIntervalMs',
  'events',
  'possibleCpus',
  'keepSeconds',
  'snapshots',
  'snapshotOn',
]
const KIB = 1024
const MIB = KIB * KIB
const MOST_BUFFER_BYTES = 256 * MIB
/** A packet is one write. No kill cut a write of up to this size. */
const MAX_SUBBUF_BYTES = 256 * KIB
const MIN_SUBBUF_BYTES = 4 * KIB
/** Number of sub-buffers in a buffer, unless that makes them too small or too large. */
const SUBBUFS = 16

/** Settings that were checked, with their defaults. */
export interface CheckedSettings extends Required<Omit<RecordingSettings, 'mode' | 'events'>> {
  readonly mode: 'discard' | 'overwrite' | 'flight'
}

/** Checks the options. @throws TypeError or RangeError that says what is wrong. */
export function checkOptions(options: RecordingOptions | MemoryOptions): CheckedSettings {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(
      `startRecording: options=${String(options)}, expected { path } or { dir }, or neither to record in memory`,
    )
  }
  const { path, dir, mode = 'discard', buffers = 'per-thread' } = options
  if ((path ?? dir) !== undefined) checkFolderOptions('startRecording', options)
  if (mode !== 'discard' && mode !== 'overwrite' && mode !== 'flight') {
    throw new TypeError(`startRecording: mode=${String(mode)} is none of 'discard', 'overwrite', 'flight'`)
  }
  if (mode === 'flight' && dir === undefined) {
    throw new TypeError(
      `startRecording: mode='flight' with path=${String(path)}: give dir, the folder in which each snapshot gets one`,
    )
  }
  const { keepSeconds, snapshots, snapshotOn } = options as FlightSettings
  if (mode !== 'flight' && (keepSeconds ?? snapshots ?? snapshotOn) !== undefined) {
    throw new TypeError(
      `startRecording: keepSeconds, snapshots and snapshotOn are for mode: 'flight', this one is '${mode}'`,
    )
  }
  if (buffers !== 'per-thread' && buffers !== 'global') {
    throw new TypeError(`startRecording: buffers=${String(buffers)} is neither 'per-thread' nor 'global'`)
  }
  const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name))
  if (unknown.length > 0) {
    throw new TypeError(
      `startRecording: unknown option ${unknown.join(', ')}; there are ${OPTIONS.join(', ')}`,
    )
  }
  const whole = (
    name: 'bufferSize' | 'flushIntervalMs' | 'possibleCpus',
    fallback: number,
    least: number,
    most: number,
  ): number => {
    const value = options[name] ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(
        `startRecording: ${name}=${String(value)} is not a whole number from ${least} to ${most}`,
      )
    }
    return value
  }
  const possibleCpus = whole('possibleCpus', 64, 1, 1024)
  const sized = sizeFor(keepSeconds, buffers === 'global', possibleCpus, 32 * KIB, MOST_BUFFER_BYTES)
  return {
    mode,
    buffers,
    bufferSize: whole('bufferSize', sized ?? 4 * MIB, 32 * KIB, MOST_BUFFER_BYTES),
    flushIntervalMs: whole('flushIntervalMs', 100, 10, 60_000),
    possibleCpus,
  }
}

/** Cuts a buffer into sub-buffers. */
export function geometryOf(bufferSize: number): { subbufSize: number; subbufCount: number } {
  const pages = (bytes: number): number => Math.ceil(bytes / MIN_SUBBUF_BYTES) * MIN_SUBBUF_BYTES
  const subbufSize = Math.min(MAX_SUBBUF_BYTES, Math.max(MIN_SUBBUF_BYTES, pages(bufferSize / SUBBUFS)))
  return { subbufSize, subbufCount: Math.ceil(bufferSize / subbufSize) }
}
