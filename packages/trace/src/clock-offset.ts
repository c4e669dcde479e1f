/** Where the zero of a trace's clock lies in real time. */
import { now } from '@rchan/runtime'

/** How long to wait for the next millisecond. Running clocks need less. */
const PATIENCE_NS = 5_000_000n

/**
 * Returns the offset from a time of {@link now} to the time since 1970; never below 0. Call it
 * where no program can have replaced the clocks: on the consumer thread.
 */
export function clockOffset(): { offsetSeconds: number; offsetNs: number } {
  // `Date.now` has a resolution of 1 ms: read the clock when it changes.
  const before = Date.now()
  const giveUpAt = now() + PATIENCE_NS
  let real = before
  let time = now()
  while (real === before && time < giveUpAt) {
    real = Date.now()
    time = now()
  }
  const offset = BigInt(real) * 1_000_000n - time
  if (offset <= 0n) return { offsetSeconds: 0, offsetNs: 0 }
  return { offsetSeconds: Number(offset / 1_000_000_000n), offsetNs: Number(offset % 1_000_000_000n) }
}
