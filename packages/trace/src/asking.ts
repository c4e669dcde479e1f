/** What any thread can ask of the running recording: the functions behind `currentRecording`. */
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

/** Tells what became of all events of the running recording, on any thread. */
export async function losses(): Promise<LossReport> {
  return (await call(thisCpu.control, LOSSES_CALL)) as LossReport
}

/** Takes a snapshot of the running flight recorder, on any thread. */
export async function snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
  const given: unknown = options
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`snapshot: options=${String(given)}, expected { reason }`)
  const reason: unknown = options.reason ?? ''
  if (typeof reason !== 'string') {
    throw new TypeError(`snapshot: reason=${String(reason)} is not a string`)
  }
  return (await call(thisCpu.control, SNAPSHOT_CALL, causeOf('call', reason))) as Snapshot
}
