/** The call to the consumer that takes a snapshot: any thread may make it. See call.ts. */
export { causeOf } from './trigger.js'

/**
 * The name of the call to the consumer that takes a snapshot; its argument is a `SnapshotCause`.
 */
export const SNAPSHOT_CALL = 'snapshot'
/** Why a recording with files takes none. */
export const NO_SNAPSHOTS =
  'this recording writes all its events to files, so there is nothing to take a snapshot of: start it with ' +
  `mode: 'flight' and { dir } for a flight recorder`
