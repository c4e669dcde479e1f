/**
 * The options of a flight recorder: checked, with their defaults. Runs on the thread that records.
 */
import { registryPaths, type FlightInit, type SnapshotLimits } from '@rchan/runtime/recorder'
import type { CheckedTriggers, SnapshotOn } from './snapshot-on.js'

/** Options of a recording with `mode: 'flight'`. */
export interface FlightSettings {
  /**
   * How many seconds snapshots should reach back, from 0.1 to 3600. Sizes the buffers if
   * `bufferSize` is not given: 1 MiB a second for each thread, which is 25,000 to 40,000 events a
   * second (with `buffers: 'global'`: 8 MiB a second in total), within the bounds of `bufferSize`
   * and 4 GiB for all. A thread that traces more than that reaches back less far: each snapshot
   * tells how far, and what would help.
   */
  readonly keepSeconds?: number
  /** How many snapshots to take and to keep. */
  readonly snapshots?: Partial<SnapshotLimits>
  /** What else than a call of `snapshot` takes one. */
  readonly snapshotOn?: SnapshotOn
}

const MIB = 2 ** 20
/** Bytes that a thread is taken to write in a second, and all threads together. */
const THREAD_BYTES = MIB
const ALL_BYTES = 8 * MIB
/** The most bytes of all buffers that `keepSeconds` sizes. */
const MOST_BYTES = 4096 * MIB

const DEFAULTS: SnapshotLimits = { max: 32, maxBytes: 1024 * MIB, minIntervalMs: 1000, keep: 'newest' }
const NAMES = ['max', 'maxBytes', 'minIntervalMs', 'keep']

/**
 * Checks the options. @param dir absolute. @throws TypeError or RangeError that says what is wrong.
 */
export function flightInit(
  { keepSeconds, snapshots = {} }: FlightSettings,
  dir: string,
  { lookout, requests }: CheckedTriggers,
): FlightInit {
  if (
    keepSeconds !== undefined &&
    !(typeof keepSeconds === 'number' && keepSeconds >= 0.1 && keepSeconds <= 3600)
  ) {
    throw new RangeError(
      `startRecording: keepSeconds=${String(keepSeconds)} is not a number of seconds from 0.1 to 3600`,
    )
  }
  if (typeof snapshots !== 'object' || snapshots === null) {
    throw new TypeError(
      `startRecording: snapshots=${String(snapshots)}, expected an object with some of ${NAMES.join(', ')}`,
    )
  }
  const unknown = Object.keys(snapshots).filter((name) => !NAMES.includes(name))
  if (unknown.length > 0) {
    throw new TypeError(
      `startRecording: unknown option snapshots.${unknown.join(', snapshots.')}; there are ${NAMES.join(', ')}`,
    )
  }
  const { keep = DEFAULTS.keep } = snapshots
  if (keep !== 'newest' && keep !== 'oldest') {
    throw new TypeError(`startRecording: snapshots.keep=${String(keep)} is neither 'newest' nor 'oldest'`)
  }
  const whole = (name: 'max' | 'maxBytes' | 'minIntervalMs', least: number): number => {
    const value = snapshots[name] ?? DEFAULTS[name]
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(
        `startRecording: snapshots.${name}=${String(value)} is not a whole number from ${least}`,
      )
    }
    return value
  }
  return {
    dir,
    lookout:
      requests === false
        ? lookout
        : { ...lookout, door: { folders: registryPaths(), isRequired: requests === 'required' } },
    keepMs: (keepSeconds ?? 0) * 1000,
    limits: {
      max: whole('max', 1),
      maxBytes: whole('maxBytes', MIB),
      minIntervalMs: whole('minIntervalMs', 0),
      keep,
    },
  }
}

/** The size of a buffer for so many seconds, in bytes; undefined if no seconds are given. */
export function sizeFor(
  keepSeconds: number | undefined,
  isGlobal: boolean,
  possibleCpus: number,
  least: number,
  most: number,
): number | undefined {
  if (keepSeconds === undefined) return undefined
  const bytes = Math.ceil(keepSeconds) * (isGlobal ? ALL_BYTES : THREAD_BYTES)
  const share = isGlobal ? MOST_BYTES : Math.floor(MOST_BYTES / possibleCpus)
  return Math.max(least, Math.min(most, share, bytes))
}
