/** Checks of a caller's words and counts. */

/** Makes zeroed words of shared memory. */
export function sharedWords(count: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT))
}

/** @throws RangeError when the caller's memory is too short. */
export function checkWords(what: string, words: Int32Array, needed: number): void {
  if (words.length < needed) throw new RangeError(`${what} words.length=${words.length}, needs ${needed}`)
}

/** @throws RangeError when a count is not a whole number in its range. */
export function checkCount(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name}=${String(value)} is not a whole number from ${least} to ${most}`)
  }
}
