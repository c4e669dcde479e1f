/** Traces whose writing broke off: recoverTrace cuts half packets off, and nothing else. */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PACKET, PACKET_HEADER_BYTES, type EventClass } from '@rchan/ctf'
import { openTrace, recoverTrace, TraceError } from '@rchan/ctf/reader'
import { needReader, runReader } from '../../../test/readers.js'
import {
  temporaryFolder,
  UUID,
  writeTrace,
  type FixturePacket,
  type FixtureStream,
  type FixtureTrace,
} from './fixture.js'

const event: EventClass = { id: 0, name: 'e', fields: [{ name: 'n', type: 'u32' }] }
const packet = (sequence: number): FixturePacket => {
  const begin = BigInt(sequence) * 100n
  const records = [1n, 2n].map((wait) => ({ event, time: begin + wait, values: [sequence] }))
  return { begin, end: begin + 9n, sequence, eventsDiscarded: 0, generation: 1, threadId: 0, records }
}
const stream = (cpu: number): FixtureStream => ({
  file: `cpu${cpu}`,
  cpu,
  instance: cpu,
  packets: [packet(0), packet(1), packet(2)],
})
const trace: FixtureTrace = {
  uuid: UUID,
  clock: { offsetSeconds: 0, offsetNs: 0 },
  env: {},
  events: [event],
  streams: [stream(0), stream(1)],
}
/** A header of 96 bytes and two records of 16. */
const PACKET_BYTES = 128
const FILE_BYTES = 3 * PACKET_BYTES

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
  writeTrace(folder.path, trace)
})
afterEach(() => folder[Symbol.dispose]())

const inFolder = (name: string): string => join(folder.path, name)

/** All files of the folder. */
function bytesOf(path: string): Record<string, string> {
  return Object.fromEntries(readdirSync(path).map((file) => [file, readFileSync(join(path, file), 'latin1')]))
}

/** What each record of the trace says of its packet. */
const valuesOf = (path: string): unknown[] =>
  [...openTrace(path).records()].map(({ cpu, fields }) => [cpu, fields.n])

/** Expects that nothing is cut, and returns the error. */
function refusal(options?: { readonly force: boolean }): TraceError {
  const before = bytesOf(folder.path)
  let refused: unknown
  try {
    recoverTrace(folder.path, options)
  } catch (error) {
    refused = error
  }
  expect(refused).toBeInstanceOf(TraceError)
  expect(bytesOf(folder.path)).toStrictEqual(before)
  return refused as TraceError
}

function put(file: string, offset: number, bytes: Uint8Array): void {
  const content = readFileSync(inFolder(file))
  content.set(bytes, offset)
  writeFileSync(inFolder(file), content)
}

test('a whole trace stays as it is', () => {
  expect(readFileSync(inFolder('cpu0'))).toHaveLength(FILE_BYTES)
  const before = bytesOf(folder.path)
  expect(recoverTrace(folder.path)).toStrictEqual([])
  expect(bytesOf(folder.path)).toStrictEqual(before)
})

test('a stream that ends at any byte is cut back to its last whole packet, and once', () => {
  const whole = readFileSync(inFolder('cpu1'))
  for (let bytes = FILE_BYTES - 1; bytes >= 0; bytes -= 1) {
    writeFileSync(inFolder('cpu1'), whole.subarray(0, bytes))
    const packets = Math.floor(bytes / PACKET_BYTES)
    const keptBytes = packets * PACKET_BYTES
    const cut = { file: 'cpu1', packets, keptBytes, cutBytes: bytes - keptBytes }
    expect(recoverTrace(folder.path)).toStrictEqual(cut.cutBytes === 0 ? [] : [cut])
    expect(readFileSync(inFolder('cpu1'))).toStrictEqual(whole.subarray(0, keptBytes))
    if (bytes % PACKET_BYTES !== 1) continue
    expect(recoverTrace(folder.path)).toStrictEqual([])
    expect(valuesOf(folder.path)).toHaveLength(6 + packets * 2)
  }
  expect(readFileSync(inFolder('cpu0'))).toHaveLength(FILE_BYTES)
})

test('all streams are cut, and babeltrace2 reads the trace that it refused', (context) => {
  needReader(context, 'babeltrace2')
  truncateSync(inFolder('cpu0'), FILE_BYTES - 1)
  truncateSync(inFolder('cpu1'), PACKET_BYTES + 3)
  expect(runReader('babeltrace2', [folder.path]).status).toBe(1)
  expect(recoverTrace(folder.path)).toStrictEqual([
    { file: 'cpu0', packets: 2, keptBytes: 2 * PACKET_BYTES, cutBytes: PACKET_BYTES - 1 },
    { file: 'cpu1', packets: 1, keptBytes: PACKET_BYTES, cutBytes: 3 },
  ])
  expect(valuesOf(folder.path)).toStrictEqual([
    [0, 0],
    [1, 0],
    [0, 0],
    [1, 0],
    [0, 1],
    [0, 1],
  ])
  expect(runReader('babeltrace2', [folder.path])).toMatchObject({ status: 0, stderr: '' })
})

test.each([1, 95, 96, 3 * 2 ** 20])('a tail of %d zeros is cut off', (bytes) => {
  appendFileSync(inFolder('cpu0'), Buffer.alloc(bytes))
  expect(recoverTrace(folder.path)).toStrictEqual([
    { file: 'cpu0', packets: 3, keptBytes: FILE_BYTES, cutBytes: bytes },
  ])
  expect(valuesOf(folder.path)).toHaveLength(12)
})

test('the room behind the last packet of a killed recording stays if it is whole, and goes if it is not', () => {
  const room = readFileSync(inFolder('cpu0')).subarray(
    2 * PACKET_BYTES,
    2 * PACKET_BYTES + PACKET_HEADER_BYTES,
  )
  const view = new DataView(room.buffer, room.byteOffset)
  view.setBigUint64(PACKET.sequence, 3n, true)
  view.setBigUint64(PACKET.timestampBegin, 209n, true)
  view.setBigUint64(PACKET.contentBits, BigInt(PACKET_HEADER_BYTES * 8), true)
  view.setBigUint64(PACKET.packetBits, 4096n * 8n, true)
  appendFileSync(inFolder('cpu0'), room)
  truncateSync(inFolder('cpu0'), FILE_BYTES + 4096)
  expect(recoverTrace(folder.path)).toStrictEqual([])
  truncateSync(inFolder('cpu0'), FILE_BYTES + 4095)
  expect(recoverTrace(folder.path)).toStrictEqual([
    { file: 'cpu0', packets: 3, keptBytes: FILE_BYTES, cutBytes: 4095 },
  ])
})

test.each([PACKET_BYTES, 0])(
  'a wrong size that hides whole packets at byte %d is no half packet',
  (offset) => {
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(4096n * 8n)
    put('cpu1', offset + PACKET.packetBits, size)
    truncateSync(inFolder('cpu0'), FILE_BYTES - 1)
    expect(refusal()).toMatchObject({
      offset,
      message: expect.stringContaining(`another one begins at byte ${offset + PACKET_BYTES}`) as string,
    })
  },
)

test('a whole packet that is hidden far away is found, wherever reading is interrupted', () => {
  const whole = readFileSync(inFolder('cpu1'))
  const room = whole.subarray(0, PACKET_BYTES)
  for (const start of [2 ** 16 - 10, 2 ** 16, 2 ** 16 + 1, 2 ** 17 - 20, 2 ** 17 + 8]) {
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(2n ** 20n * 8n)
    size.copy(room, PACKET.packetBits)
    const gap = Buffer.alloc(start - PACKET_BYTES, 1)
    writeFileSync(inFolder('cpu1'), Buffer.concat([room, gap, whole.subarray(PACKET_BYTES)]))
    expect(refusal().message).toContain(`another one begins at byte ${start}:`)
  }
})

test.each([
  ['a note', Buffer.from('a note of mine\n'), 0, /no part of a packet of this trace.*not a stream/],
  ['a long note', Buffer.from('a note of mine\n'.repeat(20)), 0, /expected a packet/],
  ['zeros', Buffer.alloc(7), 0, /no part of a packet/],
  ['many zeros', Buffer.alloc(4096), 0, /expected a packet/],
])('a file of %s is not emptied, and no other file is cut', (_, bytes, offset, message) => {
  writeFileSync(inFolder('mine'), bytes)
  truncateSync(inFolder('cpu0'), FILE_BYTES - 1)
  const error = refusal({ force: true })
  expect(error.path).toBe(inFolder('mine'))
  expect(error.offset).toBe(offset)
  expect(error.message).toMatch(message)
})

test('text behind the packets is not cut off', () => {
  appendFileSync(inFolder('cpu0'), 'a note of mine\n')
  expect(refusal()).toMatchObject({ path: inFolder('cpu0'), offset: FILE_BYTES })
})

test('a stream of another trace is refused', () => {
  const other = join(folder.path, 'other')
  writeTrace(other, { ...trace, uuid: '00000000-6cee-41e0-8c08-cb07d7b3a564' })
  copyFileSync(join(other, 'cpu1'), inFolder('cpu1'))
  truncateSync(inFolder('cpu1'), FILE_BYTES - 1)
  expect(() => recoverTrace(folder.path)).toThrow(/belongs to another trace/)
  expect(readFileSync(inFolder('cpu1'))).toHaveLength(FILE_BYTES - 1)
})

test('a folder without a trace is refused, and a file', () => {
  const empty = inFolder('empty')
  mkdirSync(empty)
  expect(() => recoverTrace(empty)).toThrow(TraceError)
  expect(() => recoverTrace(inFolder('none'))).toThrow(TraceError)
  expect(() => recoverTrace(inFolder('cpu0'))).toThrow(TraceError)
})

test('a trace that is recorded is cut only by force', () => {
  writeTrace(folder.path, { ...trace, env: { pid: process.pid } })
  expect(recoverTrace(folder.path), 'it is whole').toStrictEqual([])
  truncateSync(inFolder('cpu0'), FILE_BYTES - 1)
  expect(refusal().message).toContain(`still runs (pid=${process.pid})`)
  expect(recoverTrace(folder.path, { force: true })).toHaveLength(1)
})
