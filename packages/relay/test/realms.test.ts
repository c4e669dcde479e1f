import { runInNewContext } from 'node:vm'
import { Channel, GlobalBuffer, globalBufferBytes, GlobalWriter } from '@rchan/ring'
import { Relay } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { expect, test } from 'vitest'

const bytes = runInNewContext('new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])') as Uint8Array
const geometry = { subbufSize: 4096, subbufCount: 4, mode: 'discard', headerBytes: 0 } as const

test('bytes of another realm are a record', () => {
  expect(bytes instanceof Uint8Array).toBe(false)
  const channel = Channel.create({ ...geometry, possibleCpus: 1 })
  const writer = channel.writer(0)
  expect(writer.write(bytes)).toBe(true)
  writer.flush()
  const span = channel.reader(0).next()
  expect([...(span?.bytes.subarray(span.from, span.end) ?? [])]).toEqual([...bytes])
  expect(() => writer.write(runInNewContext('new Uint16Array(4)') as Uint8Array)).toThrow(
    'a record is a Uint8Array, not Uint16Array',
  )
})

test('they are one of a global buffer, too', () => {
  const shape = { ...geometry, unitBytes: 8, maxWriters: 2 } as const
  const buffer = GlobalBuffer.create(shape, new SharedArrayBuffer(globalBufferBytes(shape)), 0)
  expect(new GlobalWriter(buffer, 1).write(bytes)).toBe(true)
})

test('a relay is found in memory that another realm holds', () => {
  const relay = new Relay(threadMachine())
  const memory = runInNewContext('new SharedArrayBuffer(size)', {
    size: relay.memory.byteLength,
  }) as SharedArrayBuffer
  expect(memory instanceof SharedArrayBuffer).toBe(false)
  new Uint8Array(memory).set(new Uint8Array(relay.memory))
  expect(Relay.attach(memory, { ...threadMachine(), identity: 1_000_000_007 }).possibleCpus).toBe(
    relay.possibleCpus,
  )
})
