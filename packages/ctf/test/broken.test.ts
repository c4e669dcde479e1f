/** Traces that violate the format: the reader's error names the file, the byte and the fault. */
import * as fc from 'fast-check'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, afterEach, expect, test } from 'vitest'
import { metadataText, PACKET, PACKET_HEADER_BYTES, type EventClass } from '@rchan/ctf'
import { openTrace, TraceError, type Trace } from '@rchan/ctf/reader'
import { needReader, runReader } from '../../../test/readers.js'
import {
  anyTrace,
  temporaryFolder,
  UUID,
  writeTrace,
  type FixturePacket,
  type FixtureStream,
  type FixtureTrace,
} from './fixture.js'

const event: EventClass = {
  id: 0,
  name: 'e',
  fields: [
    { name: 'n', type: 'u32' },
    { name: 's', type: 'string' },
  ],
}
const record = (time: bigint): FixturePacket['records'][number] => ({ event, time, values: [7, 'hello'] })
/**
 * Three packets, at bytes 0, 96 and 240: a header alone; two records, at 96 and 120 of the packet;
 * one record.
 */
const packets: FixturePacket[] = [
  { begin: 100n, end: 100n, sequence: 0, eventsDiscarded: 0, generation: 1, threadId: 0, records: [] },
  {
    begin: 100n,
    end: 200n,
    sequence: 1,
    eventsDiscarded: 0,
    generation: 1,
    threadId: 0,
    records: [record(150n), record(160n)],
  },
  {
    begin: 200n,
    end: 300n,
    sequence: 2,
    eventsDiscarded: 4,
    generation: 2,
    threadId: 0,
    records: [record(250n)],
  },
]
const stream: FixtureStream = { file: 'cpu0', cpu: 0, instance: 0, packets }
const trace: FixtureTrace = {
  uuid: UUID,
  clock: { offsetSeconds: 0, offsetNs: 0 },
  env: {},
  events: [event],
  streams: [stream],
}
const SECOND = 96
const THIRD = 240
const FILE_BYTES = 360
const FIRST_RECORD = SECOND + PACKET_HEADER_BYTES

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
  writeTrace(folder.path, trace)
})
afterEach(() => folder[Symbol.dispose]())

const inFolder = (name: string): string => join(folder.path, name)
const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}
const u32 = (value: number): Buffer => u64(BigInt(value)).subarray(0, 4)

/** Overwrites bytes of the stream file. */
function put(offset: number, bytes: Buffer): void {
  const file = readFileSync(inFolder('cpu0'))
  bytes.copy(file, offset)
  writeFileSync(inFolder('cpu0'), file)
}

function readAll(open: Trace): number {
  let count = 0
  for (const { time } of open.records()) if (time > 0n) count += 1
  return count
}

function readFolder(): number {
  return readAll(openTrace(folder.path))
}

test('the trace that the others are made from is whole', () => {
  expect(readFileSync(inFolder('cpu0'))).toHaveLength(FILE_BYTES)
  expect(readAll(openTrace(folder.path))).toBe(3)
  expect(openTrace(folder.path).losses()).toStrictEqual([{ cpu: 0, eventsDiscarded: 4, packetsLost: 0 }])
})

const cut = /cpu0, at byte 240: ends in the middle of a packet at byte \d+; it is whole up to byte 240: cut/
// name, a function that breaks the trace, the expected message, whether babeltrace2 is known to
// refuse it, too
const BROKEN: [string, () => void, RegExp, 'refused' | 'not asked'][] = [
  ['half a packet at the end', () => truncateSync(inFolder('cpu0'), FILE_BYTES - 8), cut, 'refused'],
  ['half a header at the end', () => truncateSync(inFolder('cpu0'), THIRD + 20), cut, 'refused'],
  [
    'a tail of zeros',
    () => appendFileSync(inFolder('cpu0'), Buffer.alloc(128)),
    /cpu0, at byte 360: expected a packet.*found 0x00000000$/,
    'refused',
  ],
  [
    'a zeroed packet',
    () => put(SECOND, Buffer.alloc(THIRD - SECOND)),
    /cpu0, at byte 96: expected a packet/,
    'refused',
  ],
  [
    'an unknown event id',
    () => put(FIRST_RECORD + 8, u32(99)),
    /cpu0, at byte 200: record has id=99, which no event/,
    'refused',
  ],
  [
    'half a metadata block',
    () => truncateSync(inFolder('metadata'), metadataText(trace).length - 9),
    /metadata, line \d+, column \d+: expected .*found/,
    'refused',
  ],
  [
    'metadata without the event',
    () => writeFileSync(inFolder('metadata'), metadataText({ ...trace, events: [] })),
    /cpu0, at byte 200: record has id=0/,
    'refused',
  ],
  [
    'a foreign file',
    () => writeFileSync(inFolder('notes.txt'), 'hello '.repeat(40)),
    /notes\.txt, at byte 0: expected a packet.*should not be in the folder/,
    'refused',
  ],
  [
    'a short foreign file',
    () => writeFileSync(inFolder('notes.txt'), 'hello'),
    /notes\.txt, at byte 0: ends in the middle/,
    'refused',
  ],
  [
    'the uuid of another trace',
    () => put(SECOND + PACKET.uuid, Buffer.alloc(16)),
    /cpu0, at byte 100: packet has uuid=0{32}, the trace has 2a6422d0/,
    'not asked',
  ],
  [
    'another stream class',
    () => put(SECOND + PACKET.streamId, u32(1)),
    /cpu0, at byte 116: packet has stream_id=1/,
    'refused',
  ],
  ['a packet longer than its file', () => put(THIRD + PACKET.packetBits, u64(8n * 1024n)), cut, 'refused'],
  [
    'a packet size with all bits set',
    () => put(SECOND + PACKET.packetBits, u64(2n ** 64n - 1n)),
    /cpu0, at byte 184: packet has packet_size=18446744073709551615 bits/,
    'refused',
  ],
  [
    'a packet size of 2^63 bits',
    () => put(SECOND + PACKET.packetBits, u64(2n ** 63n)),
    /packet_size=9223372036854775808 bits/,
    'refused',
  ],
  ['a packet size of 0', () => put(SECOND + PACKET.packetBits, u64(0n)), /packet_size=0 bits/, 'refused'],
  [
    'a packet size that is not a multiple of 64 bits',
    () => put(SECOND + PACKET.packetBits, u64(144n * 8n - 8n)),
    /packet_size=1144 bits/,
    'refused',
  ],
  [
    'content longer than its packet',
    () => put(SECOND + PACKET.contentBits, u64(145n * 8n)),
    /cpu0, at byte 160: packet has content_size=1160 bits, .*packet_size=1152/,
    'refused',
  ],
  [
    'content shorter than its header',
    () => put(SECOND + PACKET.contentBits, u64(80n)),
    /content_size=80 bits/,
    'refused',
  ],
  [
    'content that ends inside a byte',
    () => put(SECOND + PACKET.contentBits, u64(142n * 8n + 1n)),
    /content_size=1137 bits/,
    'not asked',
  ],
  [
    'content that ends inside a record',
    () => put(SECOND + PACKET.contentBits, u64(138n * 8n)),
    /cpu0, at byte 216: a record of e starts here and does not end inside .* at byte 234/,
    'refused',
  ],
  [
    'content rounded up to the next record',
    () => put(SECOND + PACKET.contentBits, u64(144n * 8n)),
    /cpu0, at byte 240: a record starts here and does not end/,
    'refused',
  ],
  [
    'a string without an end',
    () => put(FIRST_RECORD + 16, Buffer.alloc(30, 0x61)),
    /cpu0, at byte 192: a record of e starts here/,
    'not asked',
  ],
  [
    'a record older than the one before',
    () => put(FIRST_RECORD + 24, u64(149n)),
    /cpu0, at byte 216: record has timestamp=149, before 150/,
    'refused',
  ],
  [
    'a record older than its packet',
    () => put(FIRST_RECORD, u64(99n)),
    /cpu0, at byte 192: record has timestamp=99, before 100/,
    'refused',
  ],
  [
    'a record younger than its packet',
    () => put(FIRST_RECORD + 24, u64(201n)),
    /cpu0, at byte 216: record has timestamp=201, after .*timestamp_end=200/,
    'refused',
  ],
  [
    'a packet that ends before it begins',
    () => put(SECOND + PACKET.timestampEnd, u64(99n)),
    /cpu0, at byte 136: packet has timestamp_end=99/,
    'refused',
  ],
  [
    'packets that overlap',
    () => put(THIRD + PACKET.timestampBegin, u64(199n)),
    /cpu0, at byte 272: packet has timestamp_begin=199/,
    'refused',
  ],
  [
    'a packet number twice',
    () => put(THIRD + PACKET.sequence, u64(1n)),
    /cpu0, at byte 312: packet has packet_seq_num=1/,
    'not asked',
  ],
  [
    'a count of losses that goes back',
    () => put(SECOND + PACKET.eventsDiscarded, u64(5n)),
    /cpu0, at byte 320: packet has events_discarded=4, less than 5/,
    'not asked',
  ],
  [
    'a count of losses that nobody can have counted',
    () => put(SECOND + PACKET.eventsDiscarded, u64(2n ** 63n)),
    /cpu0, at byte 176: packet has events_discarded=9223372036854775808/,
    'not asked',
  ],
  [
    'packets of two CPUs in one file',
    () => put(SECOND + PACKET.cpuId, u32(1)),
    /cpu0, at byte 144: packet has cpu_id=1/,
    'not asked',
  ],
  [
    'packets of two streams in one file',
    () => put(SECOND + PACKET.streamInstanceId, u64(1n)),
    /cpu0, at byte 120: packet has stream_instance_id=1/,
    'not asked',
  ],
]

test.each(BROKEN)('a trace with %s is refused', (_, breakIt, message) => {
  breakIt()
  expect(readFolder).toThrow(TraceError)
  expect(readFolder).toThrow(message)
})

test('babeltrace2 refuses what we say it refuses', (context) => {
  needReader(context, 'babeltrace2')
  const accepted: string[] = []
  for (const [name, breakIt, , babeltrace2] of BROKEN) {
    if (babeltrace2 === 'not asked') continue
    rmSync(folder.path, { recursive: true })
    writeTrace(folder.path, trace)
    breakIt()
    if (runReader('babeltrace2', [folder.path, '-o', 'dummy']).status === 0) accepted.push(name)
  }
  expect(accepted).toEqual([])
})

test('what stands before a broken place is given', () => {
  truncateSync(inFolder('cpu0'), FILE_BYTES - 8)
  const times: bigint[] = []
  expect(() => {
    for (const { time } of openTrace(folder.path).records()) times.push(time)
  }).toThrow(cut)
  expect(times).toEqual([150n, 160n])
})

test('losses are not told from a broken stream', () => {
  truncateSync(inFolder('cpu0'), FILE_BYTES - 8)
  expect(() => openTrace(folder.path).losses()).toThrow(cut)
})

test('metadata that is no UTF-8 is refused, with its line', () => {
  const text = Buffer.from(metadataText(trace))
  const at = text.indexOf('clock {')
  text[at + 1] = 0xff
  writeFileSync(inFolder('metadata'), text)
  expect(() => openTrace(folder.path)).toThrow(
    /metadata, line \d+.*expected UTF-8, found bytes that are none/,
  )
})

test('a folder without metadata is no trace, and a folder that is missing neither', () => {
  rmSync(inFolder('metadata'))
  expect(() => openTrace(folder.path)).toThrow(/no trace here/)
  expect(() => openTrace(inFolder('nowhere'))).toThrow(/nowhere: no trace here/)
})

test('names that start with a dot, empty files and folders are passed over', () => {
  writeFileSync(inFolder('.metadata.new'), 'half')
  writeFileSync(inFolder('cpu1'), '')
  mkdirSync(inFolder('notes'))
  writeFileSync(join(folder.path, 'notes', 'a.txt'), 'hello')
  expect(openTrace(folder.path).streams).toStrictEqual([{ file: 'cpu0', cpu: 0 }])
  expect(readAll(openTrace(folder.path))).toBe(3)
})

test('files with one stream instance are parts of one stream: a gap between them is packets lost', () => {
  const whole = readFileSync(inFolder('cpu0'))
  writeFileSync(inFolder('cpu0'), whole.subarray(0, THIRD))
  const part = Buffer.from(whole.subarray(THIRD))
  part.writeBigUInt64LE(5n, PACKET.sequence)
  writeFileSync(inFolder('cpu0_1'), part)
  expect(openTrace(folder.path).losses()).toStrictEqual([{ cpu: 0, eventsDiscarded: 4, packetsLost: 3 }])
  renameSync(inFolder('cpu0_1'), inFolder('before'))
  expect(openTrace(folder.path).losses()).toStrictEqual([{ cpu: 0, eventsDiscarded: 4, packetsLost: 3 }])
  part.writeBigUInt64LE(1n, PACKET.sequence)
  writeFileSync(inFolder('before'), part)
  expect(() => openTrace(folder.path).losses()).toThrow(
    /before, at byte 0: .*do not follow|cpu0, at byte 0: .*do not follow/,
  )
})

test('reading may stop anywhere, and start again', () => {
  const open = openTrace(folder.path)
  for (const { time } of open.records()) {
    expect(time).toBe(150n)
    break
  }
  expect(readAll(open)).toBe(3)
})

test('the greatest id is an id', () => {
  const last = { ...event, id: 0xffffffff }
  writeTrace(folder.path, { ...trace, events: [event, last] })
  put(FIRST_RECORD + 8, u32(last.id))
  expect([...openTrace(folder.path).records()].map((found) => found.event.id)).toEqual([last.id, 0, 0])
})

test('whatever bytes are damaged, the reader gives records or throws a TraceError', () => {
  const damage = fc.array(
    fc.record({ place: fc.double({ min: 0, max: 0.999, noNaN: true }), byte: fc.nat(255) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  fc.assert(
    fc.property(anyTrace, damage, fc.constantFrom('metadata', 'cpu0'), (any, changes, file) => {
      rmSync(folder.path, { recursive: true })
      writeTrace(folder.path, any)
      const bytes = readFileSync(inFolder(file))
      for (const { place, byte } of changes) bytes[Math.floor(place * bytes.length)] = byte
      writeFileSync(inFolder(file), bytes)
      try {
        const open = openTrace(folder.path)
        open.losses()
        readAll(open)
      } catch (error) {
        if (!(error instanceof TraceError)) throw error
      }
    }),
    { numRuns: 300 },
  )
})
