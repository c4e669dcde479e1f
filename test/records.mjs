/**
 * Self-checking records: u16 length, u32 number, and a pattern of both. For tests, on any thread
 * (plain JavaScript, because a worker of Node 20 can't be started from TypeScript).
 */

/** The shortest record: length and number. */
export const MIN_RECORD_BYTES = 6

/**
 * Fills `bytes` with the record of this number; its length is that of the array. Of a short one
 * only its beginning.
 */
export function fillRecord(bytes, number) {
  const { length } = bytes
  bytes[0] = length
  bytes[1] = length >> 8
  bytes[2] = number
  bytes[3] = number >> 8
  bytes[4] = number >> 16
  bytes[5] = number >> 24
  for (let i = MIN_RECORD_BYTES; i < length; i += 1) bytes[i] = patternAt(number, length, i)
  return bytes
}

/** A new record. */
export function makeRecord(length, number) {
  return fillRecord(new Uint8Array(length), number)
}

/**
 * Goes from record to record, which have to fill the bytes exactly, and checks each byte.
 *
 * @returns the numbers of the records.
 * @throws Error for a torn record.
 */
export function walkRecords(bytes, from, end) {
  const numbers = []
  let at = from
  while (at < end) {
    const length = bytes[at] | (bytes[at + 1] << 8)
    if (length < MIN_RECORD_BYTES || at + length > end) {
      throw new Error(`torn: record at=${at} has length=${length}, the span is ${from} to ${end}`)
    }
    const number =
      (bytes[at + 2] | (bytes[at + 3] << 8) | (bytes[at + 4] << 16) | (bytes[at + 5] << 24)) >>> 0
    for (let i = MIN_RECORD_BYTES; i < length; i += 1) {
      const expected = patternAt(number, length, i)
      if (bytes[at + i] !== expected) {
        throw new Error(
          `torn: record number=${number} at=${at} has byte[${i}]=${bytes[at + i]}, not ${expected}`,
        )
      }
    }
    numbers.push(number)
    at += length
  }
  return numbers
}

/**
 * Checks each byte of the record with this length and number. It may be too short to contain them.
 *
 * @throws Error for a torn record.
 */
export function checkRecord(bytes, at, length, number) {
  for (let i = 0; i < length; i += 1) {
    const expected = i < MIN_RECORD_BYTES ? headAt(number, length, i) : patternAt(number, length, i)
    if (bytes[at + i] !== expected) {
      throw new Error(
        `torn: record number=${number} at=${at} of ${length} bytes has byte[${i}]=${bytes[at + i]}, not ${expected}`,
      )
    }
  }
}

function headAt(number, length, i) {
  return (i < 2 ? length >> (i * 8) : number >> ((i - 2) * 8)) & 0xff
}

function patternAt(number, length, i) {
  return (Math.imul(number, 167) + i * 31 + length + (number >>> 8)) & 0xff
}
