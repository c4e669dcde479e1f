/**
 * How fields are read back. This half of the field types is loaded only by readers;
 * `field-types.ts` is the other half. Pure functions, any thread.
 */
import type { FieldType } from './schema.js'

/** The value of a field: bigint for u64 and i64, boolean for bool, string, else number. */
export type DecodedValue = number | bigint | boolean | string

/** The bytes of one packet. */
export interface PacketBytes {
  /** The packet, and maybe more behind it. Only the bytes before `limit` count. */
  readonly bytes: Buffer
  /** The same bytes, from the same start. */
  readonly view: DataView
  /** Where the content ends, in bytes from the packet's start. */
  limit: number
  /** Where the last decoded field or record ends; −1 if it does not end inside the content. */
  end: number
}

/**
 * Reads a field that starts at `at`. The caller has checked that the field's minimum size is inside
 * the content. A reader of a variable-length type checks what it reads, and sets the packet's
 * `end`.
 */
export type FieldReader = (packet: PacketBytes, at: number) => DecodedValue

/** The reader of each type. */
export const FIELD_READERS: Readonly<Record<FieldType, FieldReader>> = {
  u8: ({ view }, at) => view.getUint8(at),
  u16: ({ view }, at) => view.getUint16(at, true),
  u32: ({ view }, at) => view.getUint32(at, true),
  u64: ({ view }, at) => view.getBigUint64(at, true),
  i8: ({ view }, at) => view.getInt8(at),
  i16: ({ view }, at) => view.getInt16(at, true),
  i32: ({ view }, at) => view.getInt32(at, true),
  i64: ({ view }, at) => view.getBigInt64(at, true),
  f32: ({ view }, at) => view.getFloat32(at, true),
  f64: ({ view }, at) => view.getFloat64(at, true),
  bool: ({ view }, at) => view.getUint8(at) !== 0,
  string: readText,
}

function readText(packet: PacketBytes, at: number): string {
  const { bytes, limit } = packet
  let end = at
  let all = 0
  while (end < limit && bytes[end] !== 0) all |= bytes[end++]
  packet.end = end < limit ? end + 1 : -1
  return end < limit ? bytes.toString(all < 0x80 ? 'latin1' : 'utf8', at, end) : ''
}
