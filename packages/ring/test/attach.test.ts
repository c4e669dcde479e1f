/** Misuse and wrong memory are refused early, with the wrong value. */
import { BUFFER, BufferMemory, bufferBytes, Channel, MAX_BUFFER_BYTES, MAX_CPUS } from '@rchan/ring'
import { expect, test } from 'vitest'

const GOOD = {
  subbufSize: 64,
  subbufCount: 4,
  mode: 'discard' as 'discard' | 'overwrite',
  headerBytes: 8,
  possibleCpus: 2,
}
const bad = (change: object) => () => Channel.create({ ...GOOD, ...change })

test.each([
  [{ subbufSize: 0 }, 'subbufSize=0'],
  [{ subbufSize: -8 }, 'subbufSize=-8'],
  [{ subbufSize: 64.5 }, 'subbufSize=64.5'],
  [{ subbufSize: NaN }, 'subbufSize=NaN'],
  [{ subbufSize: undefined }, 'subbufSize=undefined'],
  [{ subbufSize: '64' }, 'subbufSize=64'],
  [{ subbufSize: 2 ** 31 }, 'subbufSize=2147483648'],
  [{ subbufCount: 0 }, 'subbufCount=0'],
  [{ subbufCount: Infinity }, 'subbufCount=Infinity'],
  [{ subbufCount: 2 ** 26 }, `subbufCount=${2 ** 26}`],
  [{ subbufSize: 2 ** 20, subbufCount: 2 ** 12 }, `subbufSize * subbufCount=${2 ** 32}`],
  [{ mode: 'block' }, 'mode=block'],
  [{ headerBytes: -1 }, 'headerBytes=-1'],
  [{ headerBytes: 64 }, 'headerBytes=64'],
  [{ possibleCpus: 0 }, 'possibleCpus=0'],
  [{ possibleCpus: MAX_CPUS + 1 }, `possibleCpus=${MAX_CPUS + 1}`],
])('a channel of %j is refused with the value', (change, message) => {
  expect(bad(change)).toThrow(RangeError)
  expect(bad(change)).toThrow(message)
})

test('the largest and the smallest channel are possible', () => {
  expect(Channel.bytes({ ...GOOD, subbufSize: MAX_BUFFER_BYTES / 4 })).toBeGreaterThan(MAX_BUFFER_BYTES)
  const smallest = Channel.create({
    subbufSize: 1,
    subbufCount: 1,
    mode: 'discard',
    headerBytes: 0,
    possibleCpus: 1,
  })
  expect(smallest.writer(0).write(new Uint8Array(1))).toBe(true)
})

test('memory that is too small or misaligned is refused when a channel is laid out', () => {
  const bytes = Channel.bytes(GOOD)
  expect(() => Channel.create(GOOD, new SharedArrayBuffer(bytes - 1))).toThrow(`byteLength=${bytes - 1}`)
  expect(() => Channel.create(GOOD, new SharedArrayBuffer(bytes + 8), 8)).toThrow('byteOffset=8')
})

test('another thread finds a channel behind other things, with all its buffers', () => {
  const memory = new SharedArrayBuffer(8192 + Channel.bytes(GOOD))
  Channel.create({ ...GOOD, mode: 'overwrite' }, memory, 8192)
  const channel = Channel.attach(memory, 8192)
  expect(channel.possibleCpus).toBe(2)
  expect(channel.buffer(1)).toMatchObject({ cpu: 1, geometry: { subbufSize: 64, mode: 'overwrite' } })
  expect(channel.buffer(1).dataByteOffset + channel.buffer(1).data.length).toBeLessThanOrEqual(
    memory.byteLength,
  )
})

test.each([-1, 2, 0.5, NaN])('there is no CPU %d', (cpu) => {
  expect(() => Channel.create(GOOD).buffer(cpu)).toThrow(`cpu=${cpu}`)
})

test('memory that is not a channel is refused', () => {
  expect(() => Channel.attach(new SharedArrayBuffer(8192))).toThrow('magic=0x0')
  expect(() => Channel.attach(new SharedArrayBuffer(100))).toThrow('byteLength=100')
  const { memory } = Channel.create(GOOD)
  expect(() => Channel.attach(memory, 4)).toThrow('byteOffset=4')
  expect(() => Channel.attach(memory, NaN)).toThrow('byteOffset=NaN')
  expect(() => Channel.attach(memory, -8)).toThrow(RangeError)
})

test('a channel of another version is refused', () => {
  const { memory } = Channel.create(GOOD)
  new Uint32Array(memory)[1] = 77
  expect(() => Channel.attach(memory)).toThrow('abi=77')
})

test('a channel that was cut short is refused', () => {
  const { memory } = Channel.create(GOOD)
  const cut = new SharedArrayBuffer(memory.byteLength - 4096)
  new Uint8Array(cut).set(new Uint8Array(memory).subarray(0, cut.byteLength))
  expect(() => Channel.attach(cut)).toThrow(`byteLength=${cut.byteLength}`)
})

test('a buffer that is none, of another version, cut short or misaligned is refused', () => {
  const bytes = bufferBytes(GOOD)
  const memory = new SharedArrayBuffer(bytes)
  expect(() => BufferMemory.attach(memory, 0)).toThrow('magic=0x0')
  const buffer = BufferMemory.create(memory, 0, 0, GOOD)
  expect(BufferMemory.attach(memory, 0).geometry).toEqual({ ...buffer.geometry, possibleCpus: undefined })
  expect(() => BufferMemory.attach(memory, 4)).toThrow('byteOffset=4')
  expect(() => BufferMemory.attach(memory, bytes - 8)).toThrow(`byteOffset=${bytes - 8}`)
  const cut = new SharedArrayBuffer(4096)
  new Uint8Array(cut).set(new Uint8Array(memory, 0, 4096))
  expect(() => BufferMemory.attach(cut, 0)).toThrow('byteLength=4096')
  buffer.words[BUFFER.abi >> 2] = 77
  expect(() => BufferMemory.attach(memory, 0)).toThrow('abi=77')
})

test.each([
  ['subbufSize', 0],
  ['subbufCount', 0],
  ['subbufCount', 2 ** 32 - 1],
  ['headerBytes', 64],
  ['mode', 7],
  ['dataOffset', 0],
] as const)('a buffer whose %s says %d is refused with the value', (word, value) => {
  const memory = new SharedArrayBuffer(bufferBytes(GOOD))
  BufferMemory.create(memory, 0, 0, GOOD).words[BUFFER[word] >> 2] = value
  expect(() => BufferMemory.attach(memory, 0)).toThrow(RangeError)
  expect(() => BufferMemory.attach(memory, 0)).toThrow(`${word}=${value}`)
})
