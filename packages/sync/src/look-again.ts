/**
 * Looking again, for a thread that needs what another one gives up by ending.
 *
 * *Dead* is an answer for ever, *lives* is one that ages: a thread that was terminated, or has
 * returned, shows as living until its heap is taken down (1 to 50 ms; 300 ms for a large one on a
 * busy machine). So nobody fails by the first look. The wait is counted in looks, not in time: that
 * needs no clock, which a test may have stopped, and on a busy machine, which is slow to take a
 * thread down, each look comes later as well.
 */

/** Between two looks, in milliseconds. */
export const LOOK_SLICE_MS = 1
/** After so many looks that found all alive, all live. */
export const ENOUGH_LOOKS = 100
/** The same, where it was waited in vain before: most likely they still live. */
const FEW_LOOKS = 10

const quiet = new Int32Array(new SharedArrayBuffer(4))

/**
 * Looks until it finds what it looks for, or has looked often enough. Blocks the calling thread,
 * about 0.1 s when it finds nothing.
 *
 * @param look returns whether it found it.
 * @param hasWaited whether the same was looked for in vain before; then it is over after 10 looks.
 * @returns whether it was found.
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
