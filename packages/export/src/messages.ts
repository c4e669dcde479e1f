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

const LOW = 0xffff_ffffn

/** Writes a field of type int64 or uint64. */
export function writeVarint64(pbf: PbfWriter, field: number, value: bigint): void {
  const number = Number(value)
  if (Number.isSafeInteger(number)) {
    if (number < 2 ** 28) pbf.writeVarintField(field, number)
    else writeLarge(pbf, field, number)
    return
  }
  const bits = BigInt.asUintN(64, value)
  pbf.writeTag(field, 0)
  pbf.realloc(10)
  let low = Number(bits & LOW)
  let high = Number(bits >> 32n)
  const { buf } = pbf
  while (high > 0 || low > 127) {
    buf[pbf.pos++] = (low & 127) | 128
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  buf[pbf.pos++] = low
}

/** Writes a field of type fixed64. */
export function writeFixed64(pbf: PbfWriter, field: number, value: bigint): void {
  const bits = BigInt.asUintN(64, value)
  pbf.writeTag(field, 1)
  pbf.realloc(8)
  pbf.dataView.setBigUint64(pbf.pos, bits, true)
  pbf.pos += 8
}

/** Writes a whole number from 2^28 to 2^53: nearly all times are such. */
function writeLarge(pbf: PbfWriter, field: number, value: number): void {
  pbf.writeTag(field, 0)
  pbf.realloc(8)
  const { buf } = pbf
  let at = pbf.pos
  let high = Math.floor(value / 2 ** 28)
  const low = value - high * 2 ** 28
  buf[at++] = (low & 127) | 128
  buf[at++] = ((low >>> 7) & 127) | 128
  buf[at++] = ((low >>> 14) & 127) | 128
  buf[at++] = (low >>> 21) | 128
  while (high > 127) {
    buf[at++] = (high & 127) | 128
    high >>>= 7
  }
  buf[at++] = high
  pbf.pos = at
}

/** Returns the bytes of fields, which are written often. */
export function bytesOf(write: (pbf: PbfWriter) => void): Uint8Array {
  const pbf = new PbfWriter()
  write(pbf)
  return pbf.finish().slice()
}

/** Writes fields whose bytes are known. They are few: a loop is faster than a call. */
export function writeKnown(pbf: PbfWriter, bytes: Uint8Array): void {
  pbf.realloc(bytes.length)
  const { buf } = pbf
  let at = pbf.pos
  for (let index = 0; index < bytes.length; index += 1) buf[at++] = bytes[index]
  pbf.pos = at
}
