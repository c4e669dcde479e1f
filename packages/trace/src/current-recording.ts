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

/**
 * Finds the recording that runs in this process. Any thread may call it.
 *
 * @returns undefined when no recording runs.
 * @example
 * const report = await currentRecording()?.losses()
 */
export function currentRecording(): CurrentRecording | undefined {
  if (thisControl.generation === 0) return undefined
  const { losses, snapshot } = writingHalf()
  return { losses, snapshot }
}
