/** Waits of a thread, for what it does without a recording. */

export type WaitResult = ReturnType<typeof Atomics.wait>

/** How a thread waits. */
export interface Waits {
  /** Blocks the calling thread. */
  sleep(ms: number): void
  /** `Atomics.wait`. */
  wait(words: Int32Array<SharedArrayBuffer>, index: number, seen: number, ms: number): WaitResult
}

const quiet = new Int32Array(new SharedArrayBuffer(4))

/** Those of Node's threads. */
export const nodeWaits: Waits = {
  sleep: (ms) => void Atomics.wait(quiet, 0, 0, ms),
  wait: (words, index, seen, ms) => Atomics.wait(words, index, seen, ms),
}
