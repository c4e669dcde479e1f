/**
 * The messages of Perfetto's trace format, as far as we write them: field numbers, and how numbers
 * of 64 bits become bytes. `packages/export/test/perfetto.proto` has the same as message
 * definitions, for decoders.
 */
import { PbfWriter } from 'pbf'

export const TRACE = { packet: 1 } as const

export const PACKET = {
  clockSnapshot: 6,
  timestamp: 8,
  sequenceId: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  previousPacketDropped: 42,
  timestampClockId: 58,
  defaults: 59,
  trackDescriptor: 60,
} as const

/** Bits of `sequence_flags`. */
export const SEQUENCE = { cleared: 1, needed: 2 } as const

export const CLOCK_SNAPSHOT = { clocks: 1, primaryTraceClock: 2 } as const
export const CLOCK = { clockId: 1, timestamp: 2 } as const
/** Clock ids. */
export const CLOCK_ID = { realtime: 1, monotonic: 3 } as const

export const TRACK = { uuid: 1, name: 2, process: 3, thread: 4, parentUuid: 5, counter: 8 } as const
export const PROCESS = { pid: 1, name: 6 } as const
export const THREAD = { pid: 1, tid: 2, name: 5 } as const
export const COUNTER = { unit: 3, unitName: 6 } as const
/** Units that have a number; others are written as text. */
export const UNIT: Readonly<Record<string, number>> = { ns: 1, bytes: 3, B: 3 }

export const DEFAULTS = { trackEvent: 11, timestampClockId: 58 } as const

export const TRACK_EVENT = {
  categoryIids: 3,
  annotations: 4,
  type: 9,
  nameIid: 10,
  trackUuid: 11,
  counterValue: 30,
  doubleCounterValue: 44,
  flowIds: 47,
  terminatingFlowIds: 48,
} as const
/** Types of track events. */
export const TYPE = { begin: 1, end: 2, instant: 3, counter: 4 } as const

export const ANNOTATION = {
  nameIid: 1,
  bool: 2,
  uint: 3,
  int: 4,
  double: 5,
  string: 6,
  dictEntries: 11,
  arrayValues: 12,
} as const

export const INTERNED = { categories: 1, names: 2, annotationNames: 3 } as const
export const INTERNED_ENTRY = { iid: 1, name: 2 } as const

/** Types on the wire. */
const VARINT = 0
const MESSAGE = 2

/** The bytes of a field's number and type; all that are written often take one. */
export const TAG = {
  packet: (TRACE.packet << 3) | MESSAGE,
  timestamp: (PACKET.timestamp << 3) | VARINT,
  trackEvent: (PACKET.trackEvent << 3) | MESSAGE,
  type: (TRACK_EVENT.type << 3) | VARINT,
  trackUuid: (TRACK_EVENT.trackUuid << 3) | VARINT,
  annotation: (TRACK_EVENT.annotations << 3) | MESSAGE,
  nameIid: (ANNOTATION.nameIid << 3) | VARINT,
  bool: (ANNOTATION.bool << 3) | VARINT,
  uint: (ANNOTATION.uint << 3) | VARINT,
  string: (ANNOTATION.string << 3) | MESSAGE,
} as const

/**
 * A number of 64 bits, and its halves: to store it there and to load them is some ten times as fast
 * as to make numbers of a bigint.
 */
const whole = new BigUint64Array(1)
const halves = new Uint32Array(whole.buffer)
/** Which half is the low one depends on the machine. */
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1
const HIGH = 1 - LOW

/** Returns a bigint from 0 to 2^64 as a number; above 2^53 it may be rounded. */
export function numberOf(value: bigint): number {
  whole[0] = value
  return halves[HIGH] * 2 ** 32 + halves[LOW]
}

/** Writes a field of type int64 or uint64. */
export function writeVarint64(pbf: PbfWriter, field: number, value: bigint): void {
  pbf.writeTag(field, 0)
  pbf.realloc(MOST_VARINT_BYTES)
  pbf.pos = putVarint64(pbf.buf, pbf.pos, value)
}

/** Bytes of a number of 64 bits. */
const MOST_VARINT_BYTES = 10

/** Puts 64 bits. The caller has seen to it that 10 bytes are there. @returns the end. */
export function putVarint64(buf: Uint8Array, start: number, value: bigint): number {
  whole[0] = value
  const low = halves[LOW]
  const high = halves[HIGH]
  if (high === 0) return putVarint(buf, start, low)
  buf[start] = (low & 127) | 128
  buf[start + 1] = ((low >>> 7) & 127) | 128
  buf[start + 2] = ((low >>> 14) & 127) | 128
  buf[start + 3] = ((low >>> 21) & 127) | 128
  let at = start + 4
  let rest = ((low >>> 28) | (high << 4)) >>> 0
  // The highest 4 bits, which nearly no number has.
  const top = high >>> 28
  if (top !== 0) {
    for (let end = at + 4; at < end; rest >>>= 7) buf[at++] = (rest & 127) | 128
    return putVarint(buf, at, rest | (top << 4))
  }
  while (rest > 127) {
    buf[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  buf[at++] = rest
  return at
}

/** Writes a field of type fixed64. */
export function writeFixed64(pbf: PbfWriter, field: number, value: bigint): void {
  pbf.writeTag(field, 1)
  pbf.realloc(8)
  pbf.dataView.setBigUint64(pbf.pos, value, true)
  pbf.pos += 8
}

/** Puts 32 bits. The caller has seen to it that 5 bytes are there. @returns the end. */
export function putVarint(buf: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = value
  while (rest > 127) {
    buf[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  buf[at++] = rest
  return at
}

/**
 * Sets the length of a message that ends where the writer is.
 *
 * @param lengthAt where its one byte is; the message follows. If it needs more, the message moves.
 */
export function closeMessage(pbf: PbfWriter, lengthAt: number): void {
  const length = pbf.pos - lengthAt - 1
  if (length < 128) {
    pbf.buf[lengthAt] = length
    return
  }
  let more = 0
  for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) more += 1
  pbf.realloc(more)
  pbf.buf.copyWithin(lengthAt + 1 + more, lengthAt + 1, pbf.pos)
  putVarint(pbf.buf, lengthAt, length)
  pbf.pos += more
}

/** Returns the bytes of fields, which are written often. */
export function bytesOf(write: (pbf: PbfWriter) => void): Uint8Array {
  const pbf = new PbfWriter()
  write(pbf)
  return pbf.finish().slice()
}

/** Writes fields whose bytes are known. They are few: a loop is faster than a call. */
export function writeKnown(pbf: PbfWriter, bytes: Uint8Array): void {
  const { length } = bytes
  if (pbf.pos + length > pbf.length) pbf.realloc(length)
  const { buf, pos } = pbf
  for (let index = 0; index < length; index += 1) buf[pos + index] = bytes[index]
  pbf.pos = pos + length
}
