/**
 * The records and headers of a round of the global buffer, for the threads that write and check
 * them.
 */
import { fillGlobal, MIN_GLOBAL_BYTES, walkGlobal } from '../global-records.mjs'
import { Lengths } from './lengths.mjs'

/** The length of each record by its number: 0, or from the minimum of a record to the capacity. */
export function globalLengths(kind) {
  const lengths = new Lengths(kind)
  return (number) => {
    const length = lengths.of(number)
    return length === 0 ? 0 : Math.max(length, MIN_GLOBAL_BYTES)
  }
}

/**
 * Fills a header: one that has room for it is a record, with the time at which the sub-buffer was
 * started.
 */
export function fillHeader(bytes, writer, number, time) {
  if (bytes.length >= MIN_GLOBAL_BYTES) {
    fillGlobal(bytes, writer, number, time)
    return
  }
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = i === 0 ? writer : 0xa5 ^ writer ^ (i * 7)
}

/**
 * Checks each byte of a header.
 *
 * @returns the time in it, if it has one.
 * @throws Error if no thread filled it.
 */
export function checkHeader(bytes, headerBytes) {
  if (headerBytes >= MIN_GLOBAL_BYTES) {
    const found = walkGlobal({ bytes, from: 0, end: headerBytes, holes: [] }, 1)
    if (found.length !== 1) throw new Error(`${found.length} records are where a header should be`)
    return found[0].time
  }
  const [writer] = bytes
  for (let i = 1; i < headerBytes; i += 1) {
    const expected = (0xa5 ^ writer ^ (i * 7)) & 0xff
    if (bytes[i] !== expected) throw new Error(`byte[${i}]=${bytes[i]}, not ${expected}`)
  }
  return undefined
}
