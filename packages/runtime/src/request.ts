/**
 * Requests to the consumer: a thread asks for work, and can wait until the consumer has done it.
 * Tracing goes on meanwhile. Any thread that has the arena may ask. No thread needs an event loop
 * for it.
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
 * All are Atomics operations, in one order for all threads. A consumer that sees the ticket of (2)
 * in (4) finds the bits of (1) in (5), or has found them in an earlier (5), which came after that
 * (1). Either way it begins the work after (1). So it sees all stores of the asking thread before
 * (1). It also sees the stores of other threads, if they told the asking thread about them in any
 * way. It answers a ticket only when all work that it found up to then is done.
 */
import { ARENA, CONSUMER_STATE, type Arena } from './arena.js'
import type { Control } from './control.js'

/** The kinds of requests. They are bits, so that several requests become one. */
export const WANT = {
  /** Look for dead threads now, and free their places. The answer is `looks`, see `Cpu`. */
  places: 1,
  /** Deliver every record whose call returned before the request. */
  flush: 2,
  /** Deliver everything, end the streams, and end. Tracing is off by then. */
  stop: 4,
} as const

/** All bits. Other bits, in damaged memory, would never be taken. */
const ANY = WANT.places | WANT.flush | WANT.stop

/** Waits go in slices, so that a lost wake-up or a failed consumer is noticed. */
const SLICE_MS = 100

/**
 * Any thread: sends a request to the consumer.
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
 * @param patienceMs how long the consumer may make no progress at all, in milliseconds. The time is
 * counted in slices that timed out, and not read from a clock, because a program's clocks can stand
 * still.
 * @returns false when the consumer made no progress for so long, or a damaged counter shows that
 * the answer never comes.
 */
export function waitForAnswer(arena: Arena, control: Control, ticket: number, patienceMs: number): boolean {
  const { words } = arena
  const { machine } = control
  const answers = ARENA.answers >> 2
  let idle = 0
  let rounds = Atomics.load(words, ARENA.rounds >> 2)
  let last = Atomics.load(words, answers)
  for (;;) {
    const seen = Atomics.load(words, answers)
    // Differences, so that they stay right when the counters wrap around.
    if (((seen - ticket) | 0) >= 0) return true
    // Both only go up. One that went back was damaged: the consumer, which goes on, would never
    // answer this ticket.
    const given = Atomics.load(words, ARENA.requests >> 2)
    if (((given - ticket) | 0) < 0 || ((seen - last) | 0) < 0) return false
    last = seen
    if (Atomics.load(words, ARENA.state >> 2) >= CONSUMER_STATE.over) return true
    if (machine.wait(words, answers, seen, SLICE_MS) !== 'timed-out') continue
    const now = Atomics.load(words, ARENA.rounds >> 2)
    idle = now === rounds ? idle + 1 : 0
    rounds = now
    if (idle * SLICE_MS >= patienceMs) return false
  }
}

/**
 * Any thread: asks the consumer to deliver all records so far, and waits until it has. See
 * {@link waitForAnswer}.
 */
export function flush(arena: Arena, control: Control, patienceMs: number): boolean {
  return waitForAnswer(arena, control, request(arena, control, WANT.flush), patienceMs)
}

/**
 * Consumer, first: the ticket of the last request so far. All work that the consumer finds after
 * this load counts for that ticket.
 */
export function requestsOf(arena: Arena): number {
  return Atomics.load(arena.words, ARENA.requests >> 2)
}

/** Consumer, after {@link requestsOf}: takes the wanted bits. @returns the bits. */
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

/** Consumer, at its end: ends all waits for it, whether it delivered or failed. */
export function endRequests(arena: Arena): void {
  // A thread that asks from here on sees the state.
  Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.over)
  answer(arena, requestsOf(arena))
}
