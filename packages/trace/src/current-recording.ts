/**
 * The recording that runs in this process, for any of its threads: what can be asked of it without
 * the object that `startRecording` returned, which stays on the thread that records.
 */
import { thisCpu } from '@rchan/runtime'
import { call, LOSSES_CALL } from '@rchan/runtime/call'
import type { LossReport, Snapshot } from '@rchan/runtime/recorder'
import { causeOf, SNAPSHOT_CALL } from '@rchan/runtime/snapshot-call'

/** Options of a snapshot. */
export interface SnapshotOptions {
  /**
   * Why it is taken: a short text. It is in the name of the folder, as far as it is safe there, and
   * in the trace, in the event `rchan:snapshot`.
   */
  readonly reason?: string
}

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
  if (thisCpu.control.generation === 0) return undefined
  return { losses, snapshot }
}

async function losses(): Promise<LossReport> {
  return (await call(thisCpu.control, LOSSES_CALL)) as LossReport
}

/** Takes a snapshot of the running flight recorder, on any thread. */
export async function snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
  const reason: unknown = (options as SnapshotOptions | undefined)?.reason ?? ''
  if (typeof reason !== 'string') {
    throw new TypeError(`snapshot: reason=${String(reason)} is not a string`)
  }
  return (await call(thisCpu.control, SNAPSHOT_CALL, causeOf('call', reason))) as Snapshot
}
