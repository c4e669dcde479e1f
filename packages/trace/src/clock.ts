/** The clock of a trace: nanoseconds since an arbitrary start, the same in all threads, never going back. */
import process from 'node:process'

/**
 * The clock. Take it into a local once: `process.hrtime.bigint` looked up at each call costs 7 ns more, and
 * arithmetic on its result 12 and more.
 */
// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
export const now: (this: void) => bigint = process.hrtime.bigint

/** Where the clock's zero lies in real time: what to add to a time of {@link now} to get nanoseconds since 1970. */
export function clockOffsetNs(): bigint {
  // `Date.now` has a resolution of 1 ms: read the clock when it changes.
  const before = Date.now()
  let real = Date.now()
  while (real === before) real = Date.now()
  return BigInt(real) * 1_000_000n - now()
}
