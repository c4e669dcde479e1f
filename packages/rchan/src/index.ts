/** The entry `rchan`: a program imports it to trace and to record. */
import {
  startRecording as start,
  type FilesOptions,
  type FlightOptions,
  type FlightRecording,
  type MemoryOptions,
  type Recording,
  type RecordingOptions,
} from '@rchan/trace'
import { replacedBuiltins } from './replaced.js'

export {
  asyncSpan,
  counter,
  currentRecording,
  flow,
  nameThread,
  now,
  requestSnapshot,
  span,
  t,
  tracepoint,
  watchEventLoop,
  whileRecording,
  type AsyncSpan,
  type AsyncSpanFields,
  type CallFields,
  type Clock,
  type Counter,
  type CounterType,
  type CpuTotals,
  type CurrentRecording,
  type Discarded,
  type EventLoopOptions,
  type EventRule,
  type EventRules,
  type Field,
  type FieldType,
  type FieldTypeName,
  type FieldTypeNode,
  type FieldTypeValues,
  type FieldTypes,
  type FieldValue,
  type Fate,
  type FieldValues,
  type FilesOptions,
  type FlightOptions,
  type FlightRecording,
  type FlightSettings,
  type FlightSummary,
  type Flow,
  type FlowId,
  type Kind,
  type KindOptions,
  type NoFields,
  type Level,
  type Losses,
  type MemoryOptions,
  type NotTaken,
  type OwnCounts,
  type FieldValuesOf,
  type NumberTypeName,
  type Numbers,
  type Span,
  type SpanOptions,
  type SpanRest,
  type SpanToken,
  type StructTypes,
  type ValueOf,
  type WordType,
  type LossReport,
  type Recording,
  type RecordingOptions,
  type RecordingSettings,
  type RecordingSummary,
  type RequestedSnapshot,
  type RingLosses,
  type Schema,
  type Snapshot,
  type SnapshotLimits,
  type SnapshotOn,
  type SnapshotOptions,
  type SnapshotsSummary,
  type SnapshotThread,
  type ThreadLosses,
  type SnapshotRequestOptions,
  type ThreadTotals,
  type Tracepoint,
  type TracepointOptions,
  type Trigger,
  type Typed,
  type TypeOptions,
} from '@rchan/trace'

/**
 * Starts recording. From the moment it returns, every tracepoint call in this process is an event
 * of the trace: calls on this thread and in all workers, including those that were already running.
 * (The exception is a worker that was started before the process first imported rchan.)
 *
 * Without `path` and `dir` everything is kept in memory, until `recording.setUpFiles` gives it a
 * folder, minutes later perhaps.
 *
 * A process has one recording at a time. The calling thread is CPU 0. Call it on the main thread,
 * because a recording ends with the thread that started it. If the process ends without `stop`,
 * everything recorded is written first; docs/tracing.md lists the exceptions. A signal that kills
 * the process costs at most the events since the last flush.
 *
 * @throws TypeError or RangeError for bad options; Error if the folder can't be used or a recording
 * already runs. Nothing is left behind then. If the program has replaced built-ins, the error names
 * them, because they may be the cause.
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
  const recording = await explained(start(options as MemoryOptions))
  // Its properties, not a copy of their values: `path` changes.
  return Object.defineProperties({} as typeof recording, {
    ...Object.getOwnPropertyDescriptors(recording),
    setUpFiles: shown((where: FilesOptions) => explained(recording.setUpFiles(where))),
    stop: shown(() => explained(recording.stop())),
  })
}

function shown(value: unknown): PropertyDescriptor {
  return { value, enumerable: true, configurable: true, writable: true }
}

async function explained<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    const names = replacedBuiltins()
    if (names === '') throw error
    throw new Error(
      `${(error as Error | undefined)?.message}; the program has replaced ${names} since rchan was imported: ` +
        `start and stop recordings while they are as they were`,
      { cause: error },
    )
  }
}
