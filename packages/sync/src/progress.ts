/**
 * A word that only grows, and threads that wait for it to reach a value.
 *
 * No wait is for equality: a word that jumps past the value satisfies the wait too. Every wait has
 * a deadline.
 */
import { Patience } from './waiting.js'

/**
 * Raises `words[index]` to `value`, unless it has reached it already, and wakes all waiters of that
 * word.
 *
 * Any thread. If two threads raise at once, the higher value stays.
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
 * Blocks the calling thread. Any thread of Node may call it, also the main thread.
 *
 * @param timeoutMs the longest wait, in milliseconds.
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
    // NaN counts as over. Atomics.wait would take it as forever.
    if (!(leftMs > 0)) return false
    patience.wait(words, index, seen, leftMs)
  }
}
