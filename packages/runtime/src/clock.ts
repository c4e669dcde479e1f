/**
 * The clock of a trace: nanoseconds since an arbitrary start, the same in all threads, never going
 * back.
 *
 * It is `process.hrtime.bigint`, which programs replace, above all tests: by one that stands still,
 * or counts from 0. The consumer thread is the one whose built-ins nobody has touched. So each
 * other thread checks its clock against that one before it records:
 *
 * ```text
 *   this thread                                  consumer
 *   before := clock()
 *   asks               ────────────────────▶     time := clock()
 *   after := clock()   ◀────────────────────     answers
 * ```
 *
 * The system has one such clock for all threads, so `before <= time <= after`; and as the way there
 * and back takes more than its resolution, `before < after`. Asking and answering are Atomics
 * operations, so nothing is done out of order.
 */
import { thisProcess } from './process.js'

/**
 * Nanoseconds. Take it into a local once: looked up at each call it costs 7 ns more, arithmetic on
 * its result 12.
 */
export type Clock = (this: void) => bigint

/** The clock as it was when this module was loaded. */
export const now: Clock = clockOf()

/** A clock and what it said first. */
interface Candidate {
  readonly clock: Clock
  readonly before: unknown
}

/** A check of the calling thread's clocks. Make it before the consumer is asked. */
export class ClockCheck {
  readonly #first = candidateOf(now)
  /** A fake that was there when this module was loaded may be gone by now. */
  readonly #second = candidateOf(clockOf())
  /**
   * How far the clock is from the system's, in nanoseconds; 0: it stands still. Of one that did not
   * pass.
   */
  differenceNs = 0n

  /**
   * After the consumer has answered.
   *
   * @param time what its clock said meanwhile.
   * @returns a clock that can be trusted, if there is one.
   */
  pick(time: bigint): Clock | undefined {
    if (this.#passes(this.#first, time)) return this.#first.clock
    if (this.#passes(this.#second, time)) return this.#second.clock
    return undefined
  }

  #passes({ clock, before }: Candidate, time: bigint): boolean {
    const after = read(clock)
    if (typeof before !== 'bigint' || typeof after !== 'bigint' || before === after) this.differenceNs = 0n
    else if (time < before) this.differenceNs = before - time
    else if (time > after) this.differenceNs = after - time
    else return before < after
    return false
  }
}

function candidateOf(clock: Clock): Candidate {
  return { clock, before: read(clock) }
}

function read(clock: Clock): unknown {
  try {
    return clock()
  } catch (error) {
    // A full stack is the program's own.
    if (error instanceof RangeError) throw error
    return undefined
  }
}

function clockOf(): Clock {
  const { hrtime } = thisProcess as { readonly hrtime?: { readonly bigint?: unknown } }
  return typeof hrtime?.bigint === 'function' ? (hrtime.bigint as Clock) : () => 0n
}
