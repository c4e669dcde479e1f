/** What is told of snapshots: plain data, which goes from thread to thread. */
import type { ThreadTotals } from './packet-format.js'
import type { Trigger } from './trigger.js'

/** A thread's part of a snapshot. */
export interface SnapshotThread extends ThreadTotals {
  readonly cpu: number
  readonly events: number
  /** Bytes of its packets. 0 for a shared buffer, whose packets hold records of many threads. */
  readonly bytes: number
  /**
   * How far back its part reaches: all its events of the last so many milliseconds are there. If
   * nothing of it was lost, to its first event. 0 if its last events were overwritten while it was
   * taken.
   */
  readonly reachMs: number
  /** Whether older events of it were overwritten. */
  readonly hasLostOlder: boolean
}

/** Snapshots that were not taken, by cause. */
export interface NotTaken {
  /** There were enough (`max`). */
  readonly number: number
  /** Too soon after the one before (`minIntervalMs`). */
  readonly rate: number
  /** They would have taken too many bytes (`maxBytes`). */
  readonly bytes: number
  /** They could not be written. */
  readonly failed: number
}

/** A snapshot that was taken. Plain data. All counts are events. */
export interface Snapshot {
  /** The folder of its trace, absolute. */
  readonly path: string
  readonly trigger: Trigger
  readonly reason: string
  /** The moment that it shows, in milliseconds since 1970. */
  readonly at: number
  /**
   * All events of the last so many milliseconds before that moment are in it, of all threads. If no
   * event was overwritten yet, that is the time since the start.
   */
  readonly reachMs: number
  /** The threads with events in it. */
  readonly threads: readonly SnapshotThread[]
  readonly events: number
  /** Bytes of all files. */
  readonly bytes: number
  /**
   * Events of its time that are missing, at most: overwritten while it was taken, or unreadable.
   */
  readonly lost: number
  /** The time that it took, in milliseconds. */
  readonly durationMs: number
  /** Snapshots that were not taken since the start. */
  readonly notTaken: NotTaken
  /** Sentences that say what to do, if anything. */
  readonly warnings: readonly string[]
}

/** The snapshots of a recording that is over. */
export interface FlightTotals {
  readonly taken: number
  /** Removed again, because newer ones took their room. */
  readonly removed: number
  readonly notTaken: NotTaken
  /** The last ones that were taken, oldest first. */
  readonly last: readonly Snapshot[]
  /** The first error of a snapshot. */
  readonly error: string | undefined
}
