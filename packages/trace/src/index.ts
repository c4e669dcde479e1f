import { adoptAll } from './adopt.js'
import { checkOpenFiles } from './open-files.js'
import { writingHalf } from './writing-half.js'
import type { RequestedSnapshot, SnapshotRequestOptions } from '@rchan/runtime'
import type { FlightOptions, MemoryOptions, RecordingOptions } from './recording-options.js'
import type { FlightRecording, Recording } from './recording.js'

adoptAll()

/**
 * Starts recording. From the moment it returns, every tracepoint call in this process is an event
 * of the trace: calls on this thread and in all workers, including those that were already running.
 * (The exception is a worker that was started before the process first imported rchan.)
 *
 * Without `path` and `dir` everything is kept in memory, until `recording.setUpFiles` gives it a
 * folder, minutes later perhaps.
 *
 * A process has one recording at a time. The calling thread is CPU 0. Call it on the main thread,
 * because a recording ends with the thread that started it. If the process ends without `stop` (by
 * `process.exit()`, an uncaught exception, or because nothing is left to do), everything recorded
 * is written first; docs/tracing.md lists the exceptions. A signal that kills the process costs at
 * most the events since the last flush.
 *
 * @throws TypeError or RangeError for bad options; Error if the folder can't be used or a recording
 * already runs. Nothing is left behind then.
 * @example
 * const recording = await startRecording({ path: 'trace' })
 * await work()
 * const { events, discarded } = await recording.stop()
 */
export async function startRecording(options?: MemoryOptions): Promise<Recording<string | undefined>>
export async function startRecording(options: FlightOptions): Promise<FlightRecording>
export async function startRecording(options: RecordingOptions): Promise<Recording>
export async function startRecording(
  options?: RecordingOptions | MemoryOptions,
): Promise<Recording<string | undefined>> {
  checkOpenFiles()
  // So that this thread's CPU is of this half, which has the built-ins of the import.
  writingHalf()
  const { start } = await loadRecording()
  return await start(options)
}

/**
 * Asks a process of this user that has a flight recording for a snapshot, and waits for it. It
 * works while the main thread of that process hangs. See docs/flight-recorder.md.
 *
 * @param pid number of the process.
 * @throws TypeError or RangeError for bad arguments; Error when there is no such process, when it
 * belongs to another user, has no flight recording that takes requests, refuses, or does not answer
 * in time.
 * @example
 * const { path } = await requestSnapshot(4711, { reason: 'it hangs' })
 */
export async function requestSnapshot(
  pid: number,
  options?: SnapshotRequestOptions,
): Promise<RequestedSnapshot> {
  const { requestSnapshot: request } = await loadRecording()
  return await request(pid, options)
}

/** Loads the recording half only when needed, so a worker that only traces doesn't load it. */
async function loadRecording(): Promise<typeof import('@rchan/trace/recording')> {
  try {
    // Imported by its name: the build of rchan puts it into a file beside the entry that users
    // import.
    return await import('@rchan/trace/recording')
  } catch (error) {
    throw new Error(
      `rchan: can't load its file for recording (${(error as Error | undefined)?.message}). Was the program ` +
        `bundled? Then deploy every file that the bundler wrote, or let it write one file, or mark rchan as ` +
        `external and install it where the program runs`,
      { cause: error },
    )
  }
}

export {
  tracepoint,
  type FieldTypes,
  type FieldValue,
  type FieldValues,
  type Tracepoint,
  type TracepointOptions,
} from './tracepoint.js'
export type { SnapshotOptions } from './asking.js'
export { currentRecording, type CurrentRecording } from './current-recording.js'
export type { EventRule, EventRules } from './rules.js'
export type { FlightSettings } from './flight-options.js'
export type {
  FilesOptions,
  FlightOptions,
  MemoryOptions,
  RecordingOptions,
  RecordingSettings,
} from './recording-options.js'
export type { FlightRecording, Recording } from './recording.js'
export type { FlightSummary, RecordingSummary, SnapshotsSummary } from './recording-summary.js'
export { watchEventLoop } from './watch-event-loop.js'
export type { SnapshotOn } from './snapshot-on.js'
export type { Discarded, EventLoopOptions, RequestedSnapshot, SnapshotRequestOptions } from '@rchan/runtime'
export type {
  CpuTotals,
  Fate,
  Losses,
  LossReport,
  NotTaken,
  OwnCounts,
  RingLosses,
  Snapshot,
  SnapshotLimits,
  SnapshotThread,
  ThreadLosses,
  ThreadTotals,
  Trigger,
} from '@rchan/runtime/recorder'
export { t } from '@rchan/ctf'
export { now, type Clock } from '@rchan/runtime/declaring'
export { nameThread } from './name-thread.js'
export { whileRecording } from './while-recording.js'
export { span, type Span, type SpanOptions, type SpanRest, type SpanToken } from './span.js'
export {
  asyncSpan,
  counter,
  flow,
  type AsyncSpan,
  type AsyncSpanFields,
  type CallFields,
  type Counter,
  type CounterType,
  type Flow,
  type FlowId,
  type KindOptions,
  type NoFields,
} from './kinds.js'
export type {
  Field,
  FieldType,
  FieldTypeName,
  FieldTypeNode,
  FieldTypeValues,
  Kind,
  Level,
  FieldValuesOf,
  NumberTypeName,
  Numbers,
  StructTypes,
  ValueOf,
  WordType,
  Schema,
  Typed,
  TypeOptions,
} from '@rchan/ctf'
