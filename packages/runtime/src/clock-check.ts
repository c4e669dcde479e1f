/**
 * The check of a thread's clock against the consumer's:
 *
 * ```text
 *   this thread                                  consumer
 *   before := clock()
 *   asks               ────────────────────▶     time := clock()
 *   after := clock()   ◀────────────────────     answers
 * ```
 *
 * The system has one such clock for all threads, so `before <= time <= after`. The way there and
 * back takes longer than the clock's resolution, so `before < after`. Asking and answering are
 * Atomics operations, so nothing is done out of order.
 */
import { clockOf, now, type Clock } from './clock.js'

/** A clock and its first reading. */
interface Candidate {
  readonly clock: Clock
  readonly before: unknown
}

/** A check of the calling thread's clocks. Make it before you ask the consumer. */
export class ClockCheck {
  readonly #first = candidateOf(now)
  /** A fake that was in place when this module was loaded may be gone by now. */
  readonly #second = candidateOf(clockOf())
  /**
   * For a clock that did not pass: its difference from the system's clock, in nanoseconds; 0 if it
   * stands still.
   */
  differenceNs = 0n

  /**
   * Picks a clock. Call it after the consumer has answered.
   *
   * @param time the consumer's reading meanwhile.
   * @returns a trustworthy clock; undefined if there is none.
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
    // An error of a full stack belongs to the program.
    if (error instanceof RangeError) throw error
    return undefined
  }
}
