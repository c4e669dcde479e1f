/** What probes do when their thread ends by itself. */

/** On listeners that neither throw nor end the process: `exit-hook` of runtime passes over them. */
const HARMLESS = Symbol.for('rchan.atExit')

/**
 * Calls a function when the calling thread ends.
 *
 * @param listener must not throw.
 * @returns a function that takes it back.
 */
export function atExit(listener: () => void): () => void {
  Object.defineProperty(listener, HARMLESS, { value: true })
  // In front: a program may end before its first turn, when the recording's own last listener is
  // not behind the others yet.
  process.prependOnceListener('exit', listener)
  return () => void process.off('exit', listener)
}
