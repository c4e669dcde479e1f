/**
 * A word that only grows, and threads that wait until it has reached a value.
 *
 * Never waits for equality: a word that jumps past the value satisfies the wait too. Every wait has
 * a deadline.
 */
import { Patience } from './waiting.js'

/**
 * Raises `words[index]` to `value`, unless it is there or beyond already, and wakes all waiters
 * for it.
 *
 * Any thread. Two threads that raise at once leave the higher value.
 */
export function raise(words: Int32Array<SharedArrayBuffer>, index: number, value: number): void {
  let seen = Atomics.load(words, index)
  while (seen < value) {
    const found = Atomics.compareExchange(words, index, seen, value)
    if (found === seen) break
    seen = found
  }
  Atomics.notify(words, index)
}

/**
 * Waits until `words[index] >= value`.
 *
 * Blocks the calling thread; any thread of Node may call it, the main thread too.
 *
 * @param timeoutMs how long to wait at most, in milliseconds.
 * @returns whether the value was reached.
 * @example
 * if (!waitAtLeast(words, STATE, STOPPED, 5000)) throw new Error('the consumer did not stop within 5 s')
 */
export function waitAtLeast(
  words: Int32Array<SharedArrayBuffer>,
  index: number,
  value: number,
  timeoutMs: number,
): boolean {
  const patience = Patience.of(timeoutMs)
  for (;;) {
    const seen = Atomics.load(words, index)
    if (seen >= value) return true
    const leftMs = patience.sliceMs(Infinity)
    // Not a number: over at once. Atomics.wait would take it for ever.
    if (!(leftMs > 0)) return false
    patience.wait(words, index, seen, leftMs)
  }
}
