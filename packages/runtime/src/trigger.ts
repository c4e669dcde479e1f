/**
 * Why a snapshot is taken: the trigger that fired, and its reason in words. A cause may come from
 * another thread or process, so what is read from it is checked and bounded here.
 */
import { now } from './clock.js'

/**
 * What fires: a call of `snapshot()`; a signal; an uncaught exception; a worker that died with an
 * error; an event loop that stands still; the memory of the process, or the heap of a thread, near
 * its limit; a buffer filled since the last snapshot; a request of another process.
 */
const TRIGGERS = [
  'call',
  'signal',
  'exception',
  'worker',
  'stall',
  'memory',
  'heap',
  'fill',
  'request',
] as const
export type Trigger = (typeof TRIGGERS)[number]

/** Why, when and by which thread a snapshot was asked for. */
export interface SnapshotCause {
  readonly trigger: Trigger
  /** One line for people, at most {@link MAX_REASON} characters. */
  readonly reason: string
  /** When the trigger fired, on the clock of the trace, in nanoseconds. */
  readonly at: bigint
  /** Node's number of the thread that it is about; −1 if it is about the whole process. */
  readonly thread: number
}

/** The number of no thread. */
export const NO_THREAD = -1
/** The most characters of a reason. */
export const MAX_REASON = 300

/** Makes a cause of this moment. */
export function causeOf(
  trigger: Trigger,
  reason: string,
  thread: number = NO_THREAD,
  at = now(),
): SnapshotCause {
  return { trigger, reason: cleanReason(reason), at, thread }
}

/**
 * Makes one line of a text: control characters become spaces, and a long text is cut.
 */
export function cleanReason(text: string): string {
  // Cut first, so that a huge text costs no more than a long one.
  const line = text
    .slice(0, MAX_REASON * 2)
    // oxlint-disable-next-line no-control-regex -- these are what is replaced
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .trim()
  return line.length <= MAX_REASON
    ? line
    : `${line.slice(0, MAX_REASON - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Reads a cause that another thread sent. @throws TypeError when it is none. */
export function readCause(value: unknown): SnapshotCause {
  const { trigger, reason, at, thread } = (value ?? {}) as Partial<Record<keyof SnapshotCause, unknown>>
  const known = TRIGGERS.find((name) => name === trigger)
  if (known === undefined || typeof reason !== 'string' || typeof at !== 'bigint')
    throw new TypeError(`no cause of a snapshot: trigger=${String(trigger)}`)
  return causeOf(known, reason, Number.isSafeInteger(thread) ? (thread as number) : NO_THREAD, at)
}

/** Says a thrown value in one line. Never throws. */
export function errorText(error: unknown): string {
  try {
    if (typeof error === 'object' && error !== null && 'message' in error) {
      // No `instanceof`: an error may be of another realm.
      const name = 'name' in error ? `${String(error.name)}: ` : ''
      return cleanReason(`${name}${String(error.message)}`)
    }
    return cleanReason(String(error))
  } catch {
    // A value whose conversion throws.
    return 'a value that can not be shown'
  }
}
