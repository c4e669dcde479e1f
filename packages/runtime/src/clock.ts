/**
 * The clock of a trace: nanoseconds since an arbitrary start. It is the same in all threads, and
 * never goes back.
 *
 * The clock is `process.hrtime.bigint`. Programs replace it, above all tests: by a clock that
 * stands still, or that counts from 0. Only the consumer thread is sure to have untouched
 * built-ins. So each other thread checks its clock before it records (`clock-check.ts`).
 */
import { thisProcess } from './process.js'

/**
 * A clock in nanoseconds. Keep it in a local: a look-up at each call costs 7 ns more, and
 * arithmetic on its result 12 ns more.
 */
export type Clock = (this: void) => bigint

/** The clock at the time when this module was loaded. */
export const now: Clock = clockOf()

/** The clock as it is now. */
export function clockOf(): Clock {
  const { hrtime } = thisProcess as { readonly hrtime?: { readonly bigint?: unknown } }
  return typeof hrtime?.bigint === 'function' ? (hrtime.bigint as Clock) : () => 0n
}
