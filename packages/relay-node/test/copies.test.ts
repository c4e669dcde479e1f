/**
 * A program can have this package twice: as ESM and as CommonJS. What one copy made, the other one
 * takes.
 */
import { createRequire } from 'node:module'
import { PassThrough } from 'node:stream'
import * as esm from 'rchan/relay'
import { expect, test } from 'vitest'

const cjs = createRequire(import.meta.url)('rchan/relay') as typeof esm

const geometry = { subbufSize: 64, subbufCount: 4, mode: 'discard', headerBytes: 0 } as const
const BYTES = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])

test('they are two copies', () => {
  expect(cjs.Reader).not.toBe(esm.Reader)
  expect(cjs.StreamPipe).not.toBe(esm.StreamPipe)
})

test.each([
  ['ESM', esm, cjs],
  ['CommonJS', cjs, esm],
])('a Reader reads a buffer of another copy: %s made it', (_, maker, user) => {
  const channel = maker.Channel.create({ ...geometry, possibleCpus: 2 })
  const writer = channel.writer(1)
  writer.write(BYTES)
  writer.flush()
  const reader = new user.Reader(channel.buffer(1))
  const span = reader.next()
  expect([...(span?.bytes.subarray(span.from, span.end) ?? [])]).toEqual([...BYTES])
  if (span !== undefined) reader.delivered(span, 1)
  expect(reader.buffer.cpu).toBe(1)
})

test('a Reader refuses a buffer of another version, whichever copy made it', () => {
  const channel = cjs.Channel.create({ ...geometry, possibleCpus: 1 })
  const buffer = channel.buffer(0)
  new Uint32Array(channel.memory, 4096)[1] = 99
  expect(() => new esm.Reader(buffer)).toThrow('abi=99')
})

test.each([
  ['ESM', esm, cjs],
  ['CommonJS', cjs, esm],
])('a GlobalReader reads a buffer of another copy: %s made it', (_, maker, user) => {
  const buffer = maker.GlobalBuffer.create({ ...geometry, unitBytes: 8, maxWriters: 2 })
  const writer = new maker.GlobalWriter(buffer, 1)
  writer.write(BYTES)
  writer.flush()
  const span = new user.GlobalReader(buffer).next()
  expect([...(span?.bytes.subarray(span.from, span.end) ?? [])]).toEqual([...BYTES])
})

test.each([
  ['ESM', esm, cjs],
  ['CommonJS', cjs, esm],
])('a file is spliced to a pipe of another copy: %s made it', async (_, maker, user) => {
  const channel = new user.Relay(user.plainMachine(1)).open(geometry)
  channel.write(0, BYTES)
  channel.flush()
  const buffer = channel.buffer(0)
  if (buffer === undefined) throw new Error('no buffer')
  const stream = new PassThrough()
  const bytes = await user.spliceToStream(
    new maker.RelayFile(buffer),
    new maker.StreamPipe(stream, { copy: true }),
  )
  expect(bytes).toBe(8)
  expect([...(stream.read() as Buffer)]).toEqual([...BYTES])
})
