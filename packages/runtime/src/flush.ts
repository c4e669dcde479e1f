/**
 * A flush on request: a thread asks, and waits until the consumer has delivered every record whose call had returned
 * when it asked. Tracing goes on meanwhile and afterwards, and no stream ends.
 *
 * Two counters in the arena's head, the request and its answer:
 *
 * ```text
 *   any thread that has the arena                consumer
 *   ticket := flushAsked += 1, ring      (1)     ticket := flushAsked                       (3)
 *   wait until flushServed >= ticket     (2)     drain, sample; a grace period; drain, read up to the sample
 *                                                flushServed := ticket, notify              (4)
 * ```
 *
 * (1) and (3) are Atomics operations on one word, so what came before (1) is visible after (3): all that the asking
 * thread has stored, and all that other threads had stored before they told it, in whatever way, that they had.
 */
import { raise } from '@rchan/sync'
import { ARENA, STATE, type Arena } from './arena.js'
import type { Control } from './control.js'

/** Waits are cut into slices, so that a lost wake-up or a consumer that failed is noticed. */
const SLICE_MS = 100

/**
 * Any thread: has the consumer deliver what is recorded, and waits until it has. Needs no event loop.
 *
 * @param patienceMs how long the consumer may make no progress at all. It is counted in slices that timed out and not
 * read from a clock: those of a program can stand still.
 * @returns false when the consumer made no progress for so long.
 */
export function flush(arena: Arena, control: Control, patienceMs: number): boolean {
  const { words } = arena
  const served = ARENA.flushServed >> 2
  const ticket = (Atomics.add(words, ARENA.flushAsked >> 2, 1) + 1) | 0
  control.doorbell.ring()
  let idle = 0
  let rounds = Atomics.load(words, ARENA.rounds >> 2)
  for (;;) {
    const seen = Atomics.load(words, served)
    // A difference, so that it stays right when the counters come round.
    if (((seen - ticket) | 0) >= 0) return true
    if (Atomics.load(words, ARENA.state >> 2) >= STATE.stopped) return true
    if (Atomics.wait(words, served, seen, SLICE_MS) !== 'timed-out') continue
    const now = Atomics.load(words, ARENA.rounds >> 2)
    idle = now === rounds ? idle + 1 : 0
    rounds = now
    if (idle * SLICE_MS >= patienceMs) return false
  }
}

/** Consumer: the last request so far. Everything that is looked at after this counts for it. */
export function flushAsked(arena: Arena): number {
  return Atomics.load(arena.words, ARENA.flushAsked >> 2)
}

/** Consumer: answers all requests up to a ticket. */
export function serveFlush(arena: Arena, ticket: number): void {
  const { words } = arena
  // Pairs with: flush, Atomics.load of `flushServed`.
  Atomics.store(words, ARENA.flushServed >> 2, ticket)
  Atomics.notify(words, ARENA.flushServed >> 2)
}

/** Consumer, at its end: nobody waits for it any more, whether it delivered or failed. */
export function endFlushes(arena: Arena): void {
  raise(arena.words, ARENA.state >> 2, STATE.stopped)
  // Who asks from here on sees the state.
  serveFlush(arena, flushAsked(arena))
}
