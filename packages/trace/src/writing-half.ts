/**
 * The way to the writing half. The build of rchan puts another module in place of this one, which
 * has that half as a text and compiles it at the first call. (Compiling it takes a worker as long
 * as all else of an import.)
 */
import * as half from './writing.js'

/**
 * Returns the writing half.
 *
 * @throws RangeError when the stack is full; then the next call may succeed. Error when the program
 * allows no way to compile it.
 */
export function writingHalf(): typeof half {
  return half
}
