/**
 * How fields are read back. This half of the field types is loaded only by readers;
 * `field-types.ts` and `composite-types.ts` are the other half. Pure functions, any thread.
 */
import { isUtf8 } from 'node:buffer'
import { fieldType } from './composite-types.js'
import type { SimpleTypeName } from './field-types.js'
import { align } from './record.js'
import { DEFAULT_MAX_BYTES, typeWords, type Field, type FieldType } from './types.js'

/**
 * The value of a field: bigint for u64 and i64, boolean for bool; a text for string, interned and
 * enum; a Uint8Array for bytes; a list for arrays and sequences; an object for a struct; undefined
 * for an optional that is not there; else a number.
 */
export type DecodedValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | undefined
  | readonly DecodedValue[]
  | { readonly [name: string]: DecodedValue }

/** The bytes of one packet. */
export interface PacketBytes {
  /** The packet, and maybe more behind it. Only the bytes before `limit` count. */
  readonly bytes: Buffer
  /** The same bytes, from the same start. */
  readonly view: DataView
  /**
   * The same bytes as words of 64 bits, which are read faster than from `view`; undefined where the
   * machine's words are others, or the bytes don't begin at a word.
   */
  readonly words: BigUint64Array | undefined
  /** Where the content ends, in bytes from the packet's start. */
  limit: number
  /** Where the last decoded field or record ends; −1 if it does not end inside the content. */
  end: number
  /** What is wrong with a value of the record; undefined if nothing is. */
  wrong: string | undefined
  /** The interned string of a number; undefined if the trace has none. */
  readonly stringOf: (number: number) => string | undefined
}

/**
 * Reads a field that starts at `at`. The caller has checked that the field's minimum size is inside
 * the content. A reader of a variable-length type checks what it reads, and sets the packet's
 * `end`. A value that the type can't have is noted in `wrong`.
 */
export type FieldReader = (packet: PacketBytes, at: number) => DecodedValue

/** The reader of each type of one word. */
export const FIELD_READERS: Readonly<Record<SimpleTypeName, FieldReader>> = {
  u8: ({ view }, at) => view.getUint8(at),
  u16: ({ view }, at) => view.getUint16(at, true),
  u32: ({ view }, at) => view.getUint32(at, true),
  u64: readU64,
  i8: ({ view }, at) => view.getInt8(at),
  i16: ({ view }, at) => view.getInt16(at, true),
  i32: ({ view }, at) => view.getInt32(at, true),
  i64: ({ view }, at) => view.getBigInt64(at, true),
  f32: ({ view }, at) => view.getFloat32(at, true),
  f64: ({ view }, at) => view.getFloat64(at, true),
  bool: readBool,
  string: readText,
  interned: readInterned,
}

/** Returns the reader of a type. */
export function fieldReader(type: FieldType): FieldReader {
  if (typeof type === 'string') return type === 'bytes' ? bytesReader(DEFAULT_MAX_BYTES) : FIELD_READERS[type]
  switch (type.type) {
    case 'enum':
      return enumReader(type.labels)
    case 'seq': {
      const read = FIELD_READERS[type.of]
      const { bytes } = fieldType(type.of)
      return listReader(type.max, bytes, (packet, from, count) => elements(packet, from, count, bytes, read))
    }
    case 'array': {
      const read = FIELD_READERS[type.of]
      const { bytes } = fieldType(type.of)
      return (packet, at) => elements(packet, at, type.length, bytes, read)
    }
    case 'struct':
      return structReader(type.fields)
    case 'optional':
      return optionalReader(type.of)
    case 'bytes':
      return bytesReader(type.max ?? DEFAULT_MAX_BYTES)
    default:
      return FIELD_READERS[type.type]
  }
}

/** Whether words of this machine are stored as those of a trace: the low byte first. */
const IS_LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** @returns the words of a packet, or undefined: see {@link PacketBytes.words}. */
export function wordsOf({ buffer, byteOffset, byteLength }: Buffer): BigUint64Array | undefined {
  const isFit = IS_LITTLE && byteOffset % 8 === 0
  return isFit ? new BigUint64Array(buffer, byteOffset, byteLength >> 3) : undefined
}

function readU64({ words, view }: PacketBytes, at: number): bigint {
  return words === undefined || (at & 7) !== 0 ? view.getBigUint64(at, true) : words[at >> 3]
}

function readBool(packet: PacketBytes, at: number): boolean {
  const value = packet.bytes[at]
  if (value > 1) packet.wrong = `a bool is ${value}, neither 0 nor 1`
  return value === 1
}

function readText(packet: PacketBytes, at: number): string {
  const { bytes, limit } = packet
  let end = at
  let all = 0
  let hash = 0
  for (let byte = 1; end < limit; end += 1) {
    byte = bytes[end]
    if (byte === 0) break
    all |= byte
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  packet.end = end < limit ? end + 1 : -1
  if (end >= limit) return ''
  if (all < 0x80)
    return end - at > LONGEST ? bytes.toString('latin1', at, end) : shortText(bytes, at, end, hash)
  if (!isUtf8(bytes.subarray(at, end))) packet.wrong = `a string is no UTF-8`
  return bytes.toString('utf8', at, end)
}

/** Characters of a text that is looked for among the latest. */
const LONGEST = 64
/**
 * Short texts that were read lately, by their hash. Texts repeat, and to compare one with its bytes
 * costs a third of making it.
 */
const latest: string[] = Array.from({ length: 1024 }, () => '')

/** @returns a text of ASCII. */
function shortText(bytes: Buffer, at: number, end: number, hash: number): string {
  const slot = (hash ^ (hash >>> 15)) & (latest.length - 1)
  const known = latest[slot]
  const { length } = known
  if (length === end - at) {
    let index = 0
    while (index < length && known.charCodeAt(index) === bytes[at + index]) index += 1
    if (index === length) return known
  }
  return (latest[slot] = bytes.toString('latin1', at, end))
}

function readInterned(packet: PacketBytes, at: number): string {
  const number = packet.view.getUint32(at, true)
  const text = packet.stringOf(number)
  if (text === undefined)
    packet.wrong = `an interned string has the number ${number}, which the metadata does not have`
  return text ?? ''
}

function enumReader(labels: readonly string[]): FieldReader {
  const isWide = labels.length > 256
  return (packet, at) => {
    const number = isWide ? packet.view.getUint16(at, true) : packet.bytes[at]
    if (number < labels.length) return labels[number]
    packet.wrong = `an enum is ${number}, and has ${labels.length} labels`
    return ''
  }
}

function bytesReader(max: number): FieldReader {
  return listReader(max, 1, ({ bytes }, from, count) => new Uint8Array(bytes.subarray(from, from + count)))
}

function listReader(
  max: number,
  elementBytes: number,
  read: (packet: PacketBytes, from: number, count: number) => DecodedValue,
): FieldReader {
  return (packet, at) => {
    const { view, limit } = packet
    const total = view.getUint32(at, true)
    const count = view.getUint32(at + 4, true)
    if (count > max || count > total) {
      packet.wrong = `a list has ${count} of ${total} elements, and at most ${max}`
      packet.end = -1
      return undefined
    }
    const from = at + 8
    const end = from + count * elementBytes
    packet.end = end <= limit ? end : -1
    return packet.end < 0 ? undefined : read(packet, from, count)
  }
}

function elements(
  packet: PacketBytes,
  from: number,
  count: number,
  bytes: number,
  read: FieldReader,
): DecodedValue[] {
  const list: DecodedValue[] = []
  for (let index = 0; index < count; index += 1) list[index] = read(packet, from + index * bytes)
  return list
}

/** A field, and how it is read where its place is known only there. */
interface Member {
  readonly name: string
  readonly alignBytes: number
  readonly bytes: number
  readonly isVariable: boolean
  readonly read: FieldReader
}

function memberOf(name: string, type: FieldType): Member {
  const { alignBytes, bytes, variable } = fieldType(type)
  return { name, alignBytes, bytes, isVariable: variable !== undefined, read: fieldReader(type) }
}

/** @returns the value of a member behind `at`; sets the packet's `end`. */
function readMember(
  { alignBytes, bytes, isVariable, read }: Member,
  packet: PacketBytes,
  at: number,
): DecodedValue {
  const from = align(at, alignBytes)
  const end = from + bytes
  packet.end = end <= packet.limit ? end : -1
  if (packet.end < 0) return undefined
  const value = read(packet, from)
  if (!isVariable) packet.end = end
  return value
}

function structReader(fields: readonly Field[]): FieldReader {
  const members = fields.map(({ name, type }) => memberOf(name, type))
  return (packet, at) => {
    const values: Record<string, DecodedValue> = {}
    packet.end = at
    for (const member of members) {
      values[member.name] = readMember(member, packet, packet.end)
      if (packet.end < 0) return undefined
    }
    return values
  }
}

function optionalReader(of: FieldType): FieldReader {
  const some = memberOf('some', of)
  return (packet, at) => {
    const tag = packet.bytes[at]
    packet.end = at + 1
    if (tag === 1) return readMember(some, packet, at + 1)
    if (tag !== 0) {
      packet.wrong = `an optional ${typeWords(of)} has the tag ${tag}, neither 0 nor 1`
      packet.end = -1
    }
    return undefined
  }
}
