/** How large a task is, as far as that can be told without serializing it. */

/** Properties of an object that are looked at. */
const MOST = 16
const LARGEST = 2 ** 32 - 1

/**
 * Returns the bytes of the binary data and the characters of the texts that a task is, or has in
 * its own properties or elements; 0 where there are none. Getters are not called. What lies deeper
 * counts only if it is transferred.
 *
 * @param depth how many levels of properties are looked at.
 */
export function sizeOf(data: unknown, transferred: readonly unknown[], depth = 1): number {
  try {
    let moved = 0
    for (const each of transferred) if (each instanceof ArrayBuffer) moved += each.byteLength
    return Math.min(Math.max(moved, bytesIn(data, depth)), LARGEST)
  } catch {
    // A proxy of the program. It can't be sent, which its pool will say.
    return 0
  }
}

function bytesIn(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 0
  // Shared memory is not copied.
  if (ArrayBuffer.isView(value)) return value.buffer instanceof ArrayBuffer ? value.byteLength : 0
  if (value instanceof ArrayBuffer) return value.byteLength
  if (depth === 0) return 0
  let sum = 0
  let count = 0
  for (const key in value) {
    if ((count += 1) > MOST) break
    sum += bytesIn(Object.getOwnPropertyDescriptor(value, key)?.value, depth - 1)
  }
  return sum
}
