/** Names of threads. Any thread. */
import { writingHalf } from './writing-half.js'

/**
 * Names the calling thread in the recording that runs, and in later ones. Without it, the name is
 * that of the worker, or of the file that it runs.
 *
 * @param name at most 64 bytes of UTF-8 are kept.
 * @throws TypeError if it is no text, or empty.
 * @example
 * nameThread('decoder')
 */
export function nameThread(name: string): void {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw new TypeError(`nameThread: name=${JSON.stringify(name)}, expected a text without NUL`)
  }
  writingHalf().nameThread(name)
}
