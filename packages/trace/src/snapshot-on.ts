/** What makes a flight recording take a snapshot by itself: the option `snapshotOn`, checked. */
import { constants } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { MAX_STALL_MS, MIN_STALL_MS, type LookoutOptions, type TriggerOptions } from '@rchan/runtime/recorder'

/**
 * What triggers a snapshot. Uncaught exceptions, workers that die with an error, and requests of
 * other processes do unless you say `false`; the others only when you ask for them.
 */
export interface SnapshotOn {
  /**
   * A signal, for example `'SIGUSR2'`; only on the main thread. While a process listens for a
   * signal, the signal does not end it. A signal that asks it to end (SIGTERM, SIGINT, SIGHUP,
   * SIGQUIT) still does, after the snapshot, unless the program listens for it, too. While the main
   * thread is blocked, no signal is seen: see `requests`.
   */
  readonly signal?: NodeJS.Signals
  /**
   * An uncaught exception or unhandled rejection that would end the process, on the main thread or
   * the thread that records; by default `true`. The process ends after the snapshot.
   */
  readonly exception?: boolean
  /**
   * A worker that dies of an error, out of heap, or with an exit code other than 0; by default
   * `true`. `terminate()` is no error.
   */
  readonly workerError?: boolean
  /**
   * The event loop of the thread that records stands still for longer than this, in milliseconds;
   * from 50 to 3600000. The snapshot is taken while it does. For other threads see
   * `watchEventLoop`.
   */
  readonly stallMs?: number
  /** The process uses this many bytes of memory (its resident set size). */
  readonly rssBytes?: number
  /**
   * The process uses this share of the memory that it may use: of its container, or of the machine.
   * Above 0, at most 1.
   */
  readonly memoryShare?: number
  /**
   * The heap of the thread that records has reached this share of its limit. Above 0, at most 1. It
   * is looked at from the event loop, so not while that stands still.
   */
  readonly heapShare?: number
  /**
   * A thread has filled this share of its buffer since the last snapshot, so that snapshots can
   * hold all events. Above 0, at most 1. Limits of snapshots still count.
   */
  readonly fillShare?: number
  /**
   * Whether other processes of this user can ask for a snapshot, by `requestSnapshot(pid)`; by
   * default `true`, where a folder for it can be made. With an explicit `true` the start fails
   * otherwise. It also works while the main thread is blocked.
   */
  readonly requests?: boolean
}

/** The checked options, for the two threads that need them. */
export interface CheckedTriggers {
  readonly triggers: TriggerOptions
  readonly lookout: Omit<LookoutOptions, 'door'>
  /** Whether other processes can ask; `'required'` if that must work. */
  readonly requests: boolean | 'required'
}

const NAMES = [
  'signal',
  'exception',
  'workerError',
  'stallMs',
  'rssBytes',
  'memoryShare',
  'heapShare',
  'fillShare',
  'requests',
]
/** Signals that no program can listen for, or not safely. */
const DEAF = ['SIGKILL', 'SIGSTOP', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGILL']
const MIB = 2 ** 20

/** Checks the option. @throws TypeError or RangeError that says which part is wrong. */
export function checkSnapshotOn(value: unknown): CheckedTriggers {
  if (value !== undefined && (typeof value !== 'object' || value === null))
    throw new TypeError(
      `startRecording: snapshotOn is ${value === null ? 'null' : `a ${typeof value}`}, expected an object like { stallMs: 1000 }`,
    )
  const given = (value ?? {}) as Readonly<Record<string, unknown>>
  const unknown = Object.keys(given).filter((name) => !NAMES.includes(name))
  if (unknown.length > 0)
    throw new TypeError(
      `startRecording: unknown option ${unknown.map((name) => `snapshotOn.${name}`).join(', ')}; there are ${NAMES.join(', ')}`,
    )
  const flag = (name: keyof SnapshotOn): boolean => {
    const on = given[name] ?? true
    if (typeof on !== 'boolean') throw new TypeError(`${said(name, on)} is neither true nor false`)
    return on
  }
  const share = (name: keyof SnapshotOn): number | undefined => {
    const part = given[name]
    if (part === undefined || (typeof part === 'number' && part > 0 && part <= 1)) return part
    throw new RangeError(`${said(name, part)} is not a number above 0 and at most 1`)
  }
  const whole = (name: keyof SnapshotOn, least: number, most: number): number | undefined => {
    const count = given[name]
    if (count === undefined) return undefined
    if (typeof count === 'number' && Number.isInteger(count) && count >= least && count <= most) return count
    throw new RangeError(`${said(name, count)} is not a whole number from ${least} to ${most}`)
  }
  const heapShare = share('heapShare')
  return {
    triggers: {
      signal: checkSignal(given.signal),
      exception: flag('exception'),
      workerError: flag('workerError'),
      stallMs: whole('stallMs', MIN_STALL_MS, MAX_STALL_MS),
      heapShare,
    },
    lookout: {
      rssBytes: whole('rssBytes', MIB, Number.MAX_SAFE_INTEGER),
      memoryShare: share('memoryShare'),
      heapShare,
      fillShare: share('fillShare'),
    },
    requests: given.requests === true ? 'required' : flag('requests'),
  }
}

function checkSignal(signal: unknown): NodeJS.Signals | undefined {
  if (signal === undefined) return undefined
  if (typeof signal !== 'string' || !Object.hasOwn(constants.signals, signal))
    throw new TypeError(`${said('signal', signal)} is not the name of a signal here, like SIGUSR2`)
  if (DEAF.includes(signal))
    throw new TypeError(`${said('signal', signal)} can not be listened for: take another, like SIGUSR2`)
  if (signal === 'SIGUSR1')
    throw new TypeError(`${said('signal', signal)} starts Node's debugger: take another, like SIGUSR2`)
  if (!isMainThread)
    throw new TypeError(
      `${said('signal', signal)}: only the main thread gets signals; start the recording there, or leave it out`,
    )
  return signal as NodeJS.Signals
}

function said(name: string, value: unknown): string {
  return `startRecording: snapshotOn.${name}=${String(value)}`
}
