/** The face of rchan: what a program imports to trace and to record. */
import { startRecording as start, type Recording, type RecordingOptions } from '@rchan/trace'
import { replacedBuiltins } from './replaced.js'

export {
  tracepoint,
  type CpuTotals,
  type Discarded,
  type Field,
  type FieldType,
  type FieldTypeValues,
  type FieldTypes,
  type FieldValue,
  type FieldValues,
  type Losses,
  type Recording,
  type RecordingOptions,
  type RecordingSettings,
  type RecordingSummary,
  type RingLosses,
  type Schema,
  type ThreadTotals,
  type Tracepoint,
} from '@rchan/trace'

/**
 * Starts recording: from the moment it returns, every tracepoint call in this process is an event
 * of the trace, on this thread and in all workers, those that were there before included.
 *
 * One recording at a time in a process. The thread that calls is CPU 0; let it be the main thread,
 * since a recording ends with the thread that started it. If the process ends without `stop`,
 * everything recorded is written first; a signal that kills it costs at most what was recorded
 * since the last flush.
 *
 * @throws TypeError or RangeError for bad options; Error when the folder can't be used or a
 * recording runs already. Then nothing was made. Where built-ins that the program has replaced may
 * be the cause, the error says which.
 * @example
 * const recording = await startRecording({ path: 'trace' })
 * await work()
 * const { events, discarded } = await recording.stop()
 */
export async function startRecording(options: RecordingOptions): Promise<Recording> {
  const recording = await explained(start(options))
  return { ...recording, stop: () => explained(recording.stop()) }
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
