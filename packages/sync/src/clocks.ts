/**
 * The clocks of waits, taken when this module is loaded. Tests replace the program's clocks later,
 * and then those stand still.
 */

// Not `performance.now`: Node loads what stands behind `performance` at its first use in a thread,
// which was a third of what an import of rchan took a worker.
// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const hrtime: unknown = (globalThis.process as Partial<NodeJS.Process> | undefined)?.hrtime?.bigint

/**
 * These are properties, not constants, for the tests of this package: their threads are models with
 * a time of their own.
 */
export const clocks = {
  /** Milliseconds since 1970. */
  epochMs: Date.now,
  /**
   * Milliseconds on a clock that never goes back. Without such a clock, or where a test has
   * replaced it by one that fails, it stands still.
   */
  monotonicMs,
}

function monotonicMs(): number {
  if (typeof hrtime !== 'function') return 0
  try {
    return Number(hrtime()) / 1e6
  } catch (error) {
    // An error of a full stack belongs to the program.
    if (error instanceof RangeError) throw error
    return 0
  }
}
