/**
 * The recording that runs in this process, for any of its threads: what can be asked of it without
 * the object that `startRecording` returned, which stays on the thread that records.
 */
import { thisControl } from '@rchan/runtime/declaring'
import type { LossReport, Snapshot } from '@rchan/runtime/recorder'
import type { SnapshotOptions } from './asking.js'
import { writingHalf } from './writing-half.js'

/** The running recording, as any thread sees it. */
export interface CurrentRecording {
  /**
   * Tells what became of all events so far, by thread. It asks the thread that writes the files,
   * and no thread that traces.
   *
   * @throws Error when the recording has ended.
   */
  losses(): Promise<LossReport>
  /**
   * Takes a snapshot, if it is a flight recorder: see `recording.snapshot()`.
   *
   * @throws Error when it is none, or has ended; or as `recording.snapshot()`.
   */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>
}

/** The one that was asked for last on this thread. */
let known: { readonly generation: number; readonly recording: CurrentRecording } | undefined

/**
 * Finds the recording that runs in this process. Any thread may call it.
 *
 * @returns undefined when no recording runs; the same object as long as it is the same recording.
 * @example
 * const report = await currentRecording()?.losses()
 */
export function currentRecording(): CurrentRecording | undefined {
  const { generation } = thisControl
  if (generation === 0) return undefined
  if (known?.generation !== generation) {
    const { losses, snapshot } = writingHalf()
    known = { generation, recording: { losses, snapshot } }
  }
  return known.recording
}
