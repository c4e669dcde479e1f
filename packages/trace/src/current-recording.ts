/**
 * The recording that runs in this process, for any of its threads: what can be asked of it without
 * the object that `startRecording` returned, which stays on the thread that records.
 */
import { thisCpu } from '@rchan/runtime'
import { call, LOSSES_CALL } from '@rchan/runtime/call'
import type { LossReport } from '@rchan/runtime/recorder'

/** The running recording, as any thread sees it. */
export interface CurrentRecording {
  /**
   * Tells what became of all events so far, by thread. It asks the thread that writes the files,
   * and no thread that traces.
   *
   * @throws Error when the recording has ended.
   */
  losses(): Promise<LossReport>
}

/**
 * Finds the recording that runs in this process. Any thread may call it.
 *
 * @returns undefined when no recording runs.
 * @example
 * const report = await currentRecording()?.losses()
 */
export function currentRecording(): CurrentRecording | undefined {
  if (thisCpu.control.generation === 0) return undefined
  return { losses }
}

async function losses(): Promise<LossReport> {
  return (await call(thisCpu.control, LOSSES_CALL)) as LossReport
}
