import { checkDescriptors } from './descriptors.js'
import type { Recording, RecordingOptions } from './recording.js'

/**
 * Starts recording: from the moment it returns, every tracepoint call in this process is an event of the trace, on
 * this thread and in all workers, those that were there before included.
 *
 * One recording at a time in a process. The thread that calls is CPU 0; let it be the main thread, since a recording
 * ends with the thread that started it. If the process ends without `stop`, by `process.exit()`, an uncaught
 * exception or because nothing is left to do, everything recorded is written first; a signal that kills it costs at
 * most what was recorded since the last flush.
 *
 * @throws TypeError or RangeError for bad options; Error when the folder can't be used or a recording runs already.
 * Then nothing was made.
 * @example
 * const recording = await startRecording({ path: 'trace' })
 * await work()
 * const { events, discarded } = await recording.stop()
 */
export async function startRecording(options: RecordingOptions): Promise<Recording> {
  checkDescriptors()
  // By its name, so that it is found from the bundle that users import, too; only when needed, so that a worker which
  // merely traces doesn't load it.
  const { start } = await import('@rchan/trace/recording')
  return await start(options)
}

export {
  tracepoint,
  type FieldTypes,
  type FieldValue,
  type FieldValues,
  type Tracepoint,
} from './tracepoint.js'
export type { Recording, RecordingOptions, RecordingSummary } from './recording.js'
export type { Field, FieldType, Schema } from '@rchan/ctf'
