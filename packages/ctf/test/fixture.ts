/**
 * Makes traces by hand: from plain values to the bytes of a trace folder.
 *
 * Owns a second, slow writer of the format. It shares only constants and the record's start with
 * the real one. Bytes that no reader may use (gaps, padding) are 0xAA. For tests only.
 */
import * as fc from 'fast-check'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  EVENT_CPU_OFFSET,
  EVENT_THREAD_OFFSET,
  FIELD_TYPE_NAMES,
  PACKET,
  PACKET_HEADER_BYTES,
  PACKET_MAGIC,
  fieldType,
  layoutRecord,
  metadataText,
  parseUuid,
  threadRanges,
  type EventClass,
  type FieldType,
  type FieldTypeName,
  type MetadataInput,
} from '@rchan/ctf'
import { ALL_CPUS, type DecodedValue } from '@rchan/ctf/reader'

/** The types that this writer knows. The others are tested with the encoders that write them. */
type PlainType = Exclude<FieldTypeName, 'interned' | 'bytes'>
const PLAIN_TYPES = FIELD_TYPE_NAMES.filter((name) => name !== 'interned' && name !== 'bytes') as PlainType[]

export interface FixtureRecord {
  readonly event: EventClass
  readonly time: bigint
  /** In a global trace: the CPU and the thread that wrote it. */
  readonly by?: { readonly cpu: number; readonly threadId: number }
  /** In the order of the event's fields. */
  readonly values: readonly DecodedValue[]
}

export interface FixturePacket {
  readonly begin: bigint
  readonly end: bigint
  readonly sequence: number
  readonly eventsDiscarded: number
  readonly generation: number
  readonly threadId: number
  readonly records: readonly FixtureRecord[]
  /** Bytes of packet_size behind the content, before rounding up. */
  readonly paddingBytes?: number
}

export interface FixtureStream {
  readonly file: string
  readonly cpu: number
  readonly instance: number
  readonly packets: readonly FixturePacket[]
}

export interface FixtureTrace extends MetadataInput {
  readonly streams: readonly FixtureStream[]
}

export const UUID = '2a6422d0-6cee-41e0-8c08-cb07d7b3a564'

/** A folder of its own for a test, removed with `[Symbol.dispose]`. */
export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'rchan-ctf-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Writes the folder of a trace. */
export function writeTrace(folder: string, trace: FixtureTrace): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'metadata'), metadataText(trace))
  for (const stream of trace.streams) {
    const packets = stream.packets.map((packet) => packetBytes(trace.uuid, stream, packet))
    writeFileSync(join(folder, stream.file), Buffer.concat(packets))
  }
}

/** The bytes of one packet. */
export function packetBytes(uuid: string, stream: FixtureStream, packet: FixturePacket): Uint8Array {
  const records = packet.records.map((record) => recordBytes(record))
  let contentBytes = PACKET_HEADER_BYTES
  const starts = records.map((bytes) => {
    const start = Math.ceil(contentBytes / 8) * 8
    contentBytes = start + bytes.length
    return start
  })
  const totalBytes = Math.ceil((contentBytes + (packet.paddingBytes ?? 0)) / 8) * 8
  const bytes = new Uint8Array(totalBytes).fill(0xaa)
  const view = new DataView(bytes.buffer)
  view.setUint32(PACKET.magic, PACKET_MAGIC, true)
  bytes.set(parseUuid(uuid), PACKET.uuid)
  view.setUint32(PACKET.streamId, 0, true)
  view.setBigUint64(PACKET.streamInstanceId, BigInt(stream.instance), true)
  view.setBigUint64(PACKET.timestampBegin, packet.begin, true)
  view.setBigUint64(PACKET.timestampEnd, packet.end, true)
  view.setBigUint64(PACKET.contentBits, BigInt(contentBytes * 8), true)
  view.setBigUint64(PACKET.sequence, BigInt(packet.sequence), true)
  view.setBigUint64(PACKET.eventsDiscarded, BigInt(packet.eventsDiscarded), true)
  if (stream.cpu !== ALL_CPUS) {
    view.setUint32(PACKET.cpuId, stream.cpu, true)
    view.setUint32(PACKET.generation, packet.generation, true)
    view.setUint32(PACKET.threadId, packet.threadId, true)
  }
  view.setBigUint64(PACKET.packetBits, BigInt(totalBytes * 8), true)
  for (const [i, record] of records.entries()) bytes.set(record, starts[i])
  return bytes
}

/** The bytes of one record. */
export function recordBytes({ event, time, by, values }: FixtureRecord): Uint8Array {
  const strings = values.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0))
  const bytes = new Uint8Array(
    32 + values.length * 16 + strings.reduce((sum, length) => sum + length, 0),
  ).fill(0xaa)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, time, true)
  view.setUint32(8, event.id, true)
  if (by !== undefined) {
    view.setUint16(EVENT_CPU_OFFSET, by.cpu, true)
    view.setUint16(EVENT_THREAD_OFFSET, by.threadId, true)
  }
  let at = layoutRecord(event.fields, by !== undefined).payloadOffset
  for (const [i, { type }] of event.fields.entries()) {
    const size = fieldType(type).alignBytes
    at = Math.ceil(at / size) * size
    at += storeAny(view, at, type, values[i])
  }
  return bytes.subarray(0, at)
}

function storeAny(view: DataView, at: number, type: FieldType, value: DecodedValue): number {
  if (typeof type === 'string') return store(view, at, type as PlainType, value)
  if (type.type === 'enum') {
    view.setUint8(at, type.labels.indexOf(value as string))
    return 1
  }
  if (type.type !== 'optional') return store(view, at, type.type as PlainType, value)
  view.setUint8(at, value === undefined ? 0 : 1)
  if (value === undefined) return 1
  const size = fieldType(type.of).alignBytes
  const from = Math.ceil((at + 1) / size) * size
  return from - at + storeAny(view, from, type.of, value)
}

function store(view: DataView, at: number, type: PlainType, value: DecodedValue): number {
  switch (type) {
    case 'u8':
      view.setUint8(at, value as number)
      break
    case 'u16':
      view.setUint16(at, value as number, true)
      break
    case 'u32':
      view.setUint32(at, value as number, true)
      break
    case 'u64':
      view.setBigUint64(at, value as bigint, true)
      break
    case 'i8':
      view.setInt8(at, value as number)
      break
    case 'i16':
      view.setInt16(at, value as number, true)
      break
    case 'i32':
      view.setInt32(at, value as number, true)
      break
    case 'i64':
      view.setBigInt64(at, value as bigint, true)
      break
    case 'f32':
      view.setFloat32(at, value as number, true)
      break
    case 'f64':
      view.setFloat64(at, value as number, true)
      break
    case 'bool':
      view.setUint8(at, value === true ? 1 : 0)
      break
    case 'string': {
      const text = Buffer.from(`${value as string}\0`)
      text.copy(new Uint8Array(view.buffer), at)
      return text.length
    }
  }
  return fieldType(type).bytes
}

const VALUES: Record<PlainType, fc.Arbitrary<DecodedValue>> = {
  u8: fc.integer({ min: 0, max: 0xff }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  u32: fc.integer({ min: 0, max: 0xffffffff }),
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i8: fc.integer({ min: -0x80, max: 0x7f }),
  i16: fc.integer({ min: -0x8000, max: 0x7fff }),
  i32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  f32: fc.float(),
  f64: fc.double(),
  bool: fc.boolean(),
  string: fc.oneof(
    { weight: 8, arbitrary: fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')) },
    { weight: 4, arbitrary: fc.string({ unit: 'grapheme-ascii' }) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 5000 }).map((length) => 'é'.repeat(length)) },
    { weight: 1, arbitrary: fc.constant('') },
  ),
}

/**
 * Names that are keywords of the metadata's language or of JavaScript, or that begin with an
 * underscore as if readers should strip it.
 */
const HARD_NAMES = (
  'Bool Complex Imaginary _Bool _ __ _x x enum event string struct align u8 u64 packed_u64 u64_time bool clock ' +
  'trace stream env timestamp id cpu_id constructor toString hasOwnProperty typealias variant callsite _proto__'
).split(' ')

const fieldName = fc.oneof(
  fc.constantFrom(...HARD_NAMES),
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/).filter((name) => name !== '__proto__'),
)
const eventName = fc.oneof(
  fc.constantFrom('tile:done', 'a.b/c-d', 'event', 'lttng_ust_cyg_profile:func_entry', '_'),
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,5}([:./-][A-Za-z0-9_]{1,4}){0,2}$/),
)

/** Objects like those of our reader, which have the usual prototype. */
function plainRecord<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true })
}

const eventClasses: fc.Arbitrary<EventClass[]> = fc.uniqueArray(
  plainRecord({
    // Small: babeltrace 1.5 has a table with a place for each number up to the greatest, or
    // crashes.
    id: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 5000 })),
    name: eventName,
    fields: fc.uniqueArray(plainRecord({ name: fieldName, type: fc.constantFrom(...PLAIN_TYPES) }), {
      maxLength: 9,
      comparator: ({ name: a }, { name: b }) => a === b || a === `_${b}` || b === `_${a}`,
    }),
  }),
  { minLength: 1, maxLength: 7, selector: (event) => event.id },
)

interface PacketSeed {
  readonly records: readonly { readonly record: Omit<FixtureRecord, 'time'>; readonly waitNs: number }[]
  readonly waitBeforeNs: number
  readonly waitAfterNs: number
  readonly lost: number
  readonly discarded: number
  readonly generations: number
  readonly threadId: number
  readonly paddingBytes: number
}

function packetSeeds(events: readonly EventClass[]): fc.Arbitrary<PacketSeed[]> {
  // Nothing, a little, and more than the 4.29 s at which 32 bits of nanoseconds would wrap.
  const waitNs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 }), fc.constant(5_000_000_000))
  const record = fc.constantFrom(...events).chain((event) =>
    fc.record({
      event: fc.constant(event),
      values: fc.tuple(...event.fields.map((field) => VALUES[field.type as PlainType])),
    }),
  )
  return fc.array(
    fc.record({
      records: fc.array(fc.record({ record, waitNs }), { maxLength: 8 }),
      waitBeforeNs: waitNs,
      waitAfterNs: waitNs,
      lost: fc.constantFrom(0, 0, 0, 1, 5),
      discarded: fc.constantFrom(0, 0, 0, 1, 1000),
      generations: fc.constantFrom(0, 0, 1),
      threadId: fc.oneof(fc.nat(12), fc.constantFrom(65_535, 2 ** 31, 2 ** 32 - 1)),
      paddingBytes: fc.constantFrom(0, 0, 0, 1, 8, 300),
    }),
    { maxLength: 5 },
  )
}

/** A stream as rchan writes it: a header-only packet without losses first, then the packets. */
function streamOf(cpu: number, startNs: number, seeds: readonly PacketSeed[]): FixtureStream {
  let now = BigInt(startNs)
  let sequence = 0
  let eventsDiscarded = 0
  let generation = 1
  const packets: FixturePacket[] = [
    { begin: now, end: now, sequence, eventsDiscarded, generation, threadId: cpu, records: [] },
    ...seeds.map((seed) => {
      sequence += 1 + seed.lost
      eventsDiscarded += seed.discarded
      generation += seed.generations
      const begin = (now += BigInt(seed.waitBeforeNs))
      const records = seed.records.map(({ record, waitNs }) => ({ ...record, time: (now += BigInt(waitNs)) }))
      const end = (now += BigInt(seed.waitAfterNs))
      const { threadId, paddingBytes } = seed
      return { begin, end, sequence, eventsDiscarded, generation, threadId, records, paddingBytes }
    }),
  ]
  return { file: `cpu${cpu}`, cpu, instance: cpu, packets }
}

const uuid = fc.uuid()
const clock = fc.record(
  {
    uuid,
    offsetSeconds: fc.integer({ min: 0, max: 2 ** 31 }),
    offsetNs: fc.integer({ min: 0, max: 999_999_999 }),
  },
  { requiredKeys: ['offsetSeconds', 'offsetNs'], noNullPrototype: true },
)

const threadName = fc.oneof(
  fc.constantFrom('main', 'worker.js', 'a "b" \\ c', '\n\x01\x7f1', 'é😀', ''),
  fc.string({ unit: 'binary', maxLength: 9 }).map((name) => name.replaceAll('\0', '')),
)

/** Traces of random schemas and values, in several streams, with losses and empty files. */
export const anyTrace: fc.Arbitrary<FixtureTrace> = eventClasses.chain((events) =>
  fc
    .record({
      uuid,
      clock,
      streams: fc.array(
        fc.record({ startNs: fc.integer({ min: 0, max: 10_000_000_000 }), seeds: packetSeeds(events) }),
        { minLength: 1, maxLength: 4 },
      ),
      emptyFile: fc.boolean(),
      names: fc.array(fc.tuple(fc.nat(12), threadName), { maxLength: 8 }),
    })
    .map(({ streams, emptyFile, names, ...rest }) => ({
      ...rest,
      threads: threadRanges(new Map(names)),
      env: { hostname: 'here', domain: 'rchan', pid: 4711 },
      events,
      streams: [
        ...streams.map(({ startNs, seeds }, cpu) => streamOf(cpu, startNs, seeds)),
        ...(emptyFile ? [{ file: 'cpu9', cpu: 9, instance: 9, packets: [] }] : []),
      ],
    })),
)

/** Traces of one stream, which threads of several CPUs share. */
export const anyGlobalTrace: fc.Arbitrary<FixtureTrace> = anyTrace.map((trace) => {
  let count = 0
  const [first] = trace.streams
  const packets = first.packets.map((packet) => ({
    ...packet,
    records: packet.records.map((record) => {
      count += 1
      return { ...record, by: { cpu: (count * 7919) % 1024, threadId: (count * 40_503) % 65_536 } }
    }),
  }))
  return {
    ...trace,
    global: true as const,
    streams: [{ file: 'global', cpu: ALL_CPUS, instance: 0, packets }],
  }
})
