/**
 * Repeated looks, for a thread that needs something that another thread gives up by ending.
 *
 * The answer *dead* is final. The answer *lives* ages: a thread that was terminated, or that
 * returned, shows as living until its heap is taken down (1 to 50 ms; 300 ms for a large heap on a
 * busy machine). So no caller gives up after the first look. The wait is counted in looks, not in
 * time. That needs no clock, which a test may have stopped. And a busy machine, which is slow to
 * take down a thread, also delays each look.
 */

/** The pause between two looks, in milliseconds. */
export const LOOK_SLICE_MS = 1
/** The number of looks after which threads that show as living count as living. */
export const ENOUGH_LOOKS = 100
/** The same after an earlier wait in vain: most likely the threads still live. */
const FEW_LOOKS = 10

const quiet = new Int32Array(new SharedArrayBuffer(4))

/**
 * Calls `look` until it succeeds, or has failed often enough. Blocks the calling thread, for about
 * 0.1 s if no look succeeds.
 *
 * @param look returns whether it succeeded.
 * @param hasWaited whether an earlier call for the same thing failed. Then 10 looks are enough.
 * @returns whether a look succeeded.
 * @example
 * if (!lookAgain(() => tryLock())) throw new Error('another thread has it, which lives')
 */
export function lookAgain(look: () => boolean, hasWaited = false): boolean {
  for (let left = hasWaited ? FEW_LOOKS : ENOUGH_LOOKS; !look(); left -= 1) {
    if (left === 1) return false
    Atomics.wait(quiet, 0, 0, LOOK_SLICE_MS)
  }
  return true
}
