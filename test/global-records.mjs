/**
 * Self-checking records of a global buffer: u16 length, u16 writer, u32 number, f64 time, and a
 * pattern of them. For tests, on any thread (plain JavaScript, because a worker of Node 20 can't be
 * started from TypeScript).
 */

/** The shortest record. */
export const MIN_GLOBAL_BYTES = 16

const doubles = new Float64Array(1)
const doubleBytes = new Uint8Array(doubles.buffer)

/** Fills `bytes` with a record; its length is that of the array. */
export function fillGlobal(bytes, writer, number, time) {
  const { length } = bytes
  bytes[0] = length
  bytes[1] = length >> 8
  bytes[2] = writer
  bytes[3] = writer >> 8
  for (let i = 0; i < 4; i += 1) bytes[4 + i] = number >> (8 * i)
  doubles[0] = time
  for (let i = 0; i < 8; i += 1) bytes[8 + i] = doubleBytes[i]
  for (let i = MIN_GLOBAL_BYTES; i < length; i += 1) bytes[i] = patternAt(writer, number, doubleBytes[0], i)
  return bytes
}

/**
 * Goes from record to record past the holes of a span; records and holes have to fill it exactly,
 * but for padding to the unit.
 *
 * @returns {writer, number, time} of each.
 * @throws Error for a torn record.
 */
export function walkGlobal(span, unitBytes) {
  const { bytes, from, end } = span
  const records = []
  const holes = [...span.holes]
  let at = from
  while (at < end) {
    if (holes.length > 0 && holes[0].from <= at) {
      at = Math.max(at, holes.shift().end)
      continue
    }
    const least = holes.length > 0 ? holes[0].from : end
    const length = bytes[at] | (bytes[at + 1] << 8)
    if (length < MIN_GLOBAL_BYTES || at + length > least) {
      throw new Error(`torn: record at=${at} has length=${length}, there are ${least - at} bytes`)
    }
    const writer = bytes[at + 2] | (bytes[at + 3] << 8)
    const number =
      (bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)) >>> 0
    for (let i = 0; i < 8; i += 1) doubleBytes[i] = bytes[at + 8 + i]
    const time = doubles[0]
    for (let i = MIN_GLOBAL_BYTES; i < length; i += 1) {
      const expected = patternAt(writer, number, doubleBytes[0], i)
      if (bytes[at + i] !== expected) {
        throw new Error(
          `torn: record ${number} of ${writer} at=${at} byte[${i}]=${bytes[at + i]}, not ${expected}`,
        )
      }
    }
    records.push({ writer, number, time })
    at += Math.ceil(length / unitBytes) * unitBytes
  }
  if (at !== end) throw new Error(`torn: the records end at ${at}, the span at ${end}`)
  return records
}

function patternAt(writer, number, time, i) {
  return (Math.imul(number, 167) + i * 31 + writer * 13 + time + (number >>> 8)) & 0xff
}
