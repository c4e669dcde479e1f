/**
 * Requests to the consumer: a thread says what it wants, and can wait until the consumer has done
 * it. Tracing goes on meanwhile. Any thread that has the arena may ask; nobody needs an event loop.
 *
 * Three words in the arena's head:
 *
 * ```text
 *   any thread                                    consumer
 *   wanted |= what                        (1)     ticket := requests                        (4)
 *   ticket := requests += 1, ring         (2)     what := wanted, wanted := 0               (5)
 *   wait until answers >= ticket          (3)     does all of it
 *                                                 answers := ticket, notify                 (6)
 * ```
 *
 * All are Atomics operations, and in one order for all threads. A consumer that sees the ticket of
 * (2) in (4) finds in (5) what was wanted in (1), or has found it in an earlier (5), which came
 * after that (1). Either way it begins the work after (1): what the asking thread had stored is
 * visible to it, and what other threads had stored before they told the asking thread, in whatever
 * way, that they had. It answers a ticket only when no work is left that it found up to then.
 */
import { ARENA, CONSUMER_STATE, type Arena } from './arena.js'
import type { Control } from './control-page.js'

/** What can be wanted; bits, so that several requests become one. */
export const WANT = {
  /** Look for dead threads now, and free their places. The answer is `looks`, see `Cpu`. */
  places: 1,
  /** Deliver every record whose call had returned when it was asked for. */
  flush: 2,
  /** Deliver everything, end the streams, and end. Tracing is off by then. */
  stop: 4,
} as const

/** All bits: others, of memory that was damaged, would never be taken. */
const ANY = WANT.places | WANT.flush | WANT.stop

/** Waits are cut into slices, so that a lost wake-up or a consumer that failed is noticed. */
const SLICE_MS = 100

/**
 * Any thread: asks the consumer for something.
 *
 * @returns the ticket of the request, for {@link waitForAnswer}.
 */
export function request(arena: Arena, control: Control, what: number): number {
  const { words } = arena
  // In this order. Pairs with: requestsOf, then takeWanted.
  Atomics.or(words, ARENA.wanted >> 2, what)
  const ticket = (Atomics.add(words, ARENA.requests >> 2, 1) + 1) | 0
  control.doorbell.ring()
  return ticket
}

/**
 * Any thread: waits until the consumer has answered a request, or is over.
 *
 * @param patienceMs how long the consumer may make no progress at all. It is counted in slices that
 * timed out and not read from a clock: those of a program can stand still.
 * @returns false when the consumer made no progress for so long.
 */
export function waitForAnswer(arena: Arena, control: Control, ticket: number, patienceMs: number): boolean {
  const { words } = arena
  const { machine } = control
  const answers = ARENA.answers >> 2
  let idle = 0
  let rounds = Atomics.load(words, ARENA.rounds >> 2)
  for (;;) {
    const seen = Atomics.load(words, answers)
    // A difference, so that it stays right when the counters come round.
    if (((seen - ticket) | 0) >= 0) return true
    if (Atomics.load(words, ARENA.state >> 2) >= CONSUMER_STATE.over) return true
    if (machine.wait(words, answers, seen, SLICE_MS) !== 'timed-out') continue
    const now = Atomics.load(words, ARENA.rounds >> 2)
    idle = now === rounds ? idle + 1 : 0
    rounds = now
    if (idle * SLICE_MS >= patienceMs) return false
  }
}

/**
 * Any thread: has the consumer deliver what is recorded, and waits until it has; see
 * {@link waitForAnswer}.
 */
export function flush(arena: Arena, control: Control, patienceMs: number): boolean {
  return waitForAnswer(arena, control, request(arena, control, WANT.flush), patienceMs)
}

/**
 * Consumer, first: the ticket of the last request so far. Everything that it finds after this
 * counts for it.
 */
export function requestsOf(arena: Arena): number {
  return Atomics.load(arena.words, ARENA.requests >> 2)
}

/** Consumer, after {@link requestsOf}: takes what is wanted. @returns the bits. */
export function takeWanted(arena: Arena): number {
  return Atomics.exchange(arena.words, ARENA.wanted >> 2, 0) & ANY
}

/** Consumer: answers all requests up to a ticket. */
export function answer(arena: Arena, ticket: number): void {
  const { words } = arena
  // Pairs with: waitForAnswer, Atomics.load of `answers`.
  Atomics.store(words, ARENA.answers >> 2, ticket)
  Atomics.notify(words, ARENA.answers >> 2)
}

/** Consumer, at its end: nobody waits for it any more, whether it delivered or failed. */
export function endRequests(arena: Arena): void {
  // A thread that asks from here on sees the state.
  Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.over)
  answer(arena, requestsOf(arena))
}
