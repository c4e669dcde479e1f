/** A client that decides itself which sub-buffers may start, and our reader of the same buffer. */
import { Reader } from '@rchan/ring'
import { RelayFile, type RelayCallbacks } from '@rchan/relay'
import { expect, test } from 'vitest'
import { makeRecord, walkRecords } from '../../../test/records.mjs'
import { bufferOf, TestClient } from './client.js'
import { drain, drainDead } from '../../ring/test/subject.js'

function openWith(subbufStart: NonNullable<RelayCallbacks['subbufStart']>, subbufCount = 2) {
  const client = new TestClient([0])
  const channel = client.open({
    subbufSize: 16,
    subbufCount,
    callbacks: { ...client.callbacks, subbufStart },
  })
  const buffer = bufferOf(channel, 0)
  return { channel, buffer, reader: new Reader(buffer.memory) }
}

test('a client sees the sub-buffer completed before it is asked for the next', () => {
  const seen: unknown[] = []
  const { channel } = openWith((buffer, subbuf, prevSubbuf, prevPadding) => {
    seen.push({ subbuf, prevSubbuf, prevPadding, produced: buffer.produced, data: buffer.data })
    return !buffer.isFull
  })
  for (const length of [10, 7, 12]) channel.write(0, new Uint8Array(length))
  expect(seen).toEqual([
    { subbuf: 0, prevSubbuf: undefined, prevPadding: 0, produced: 0, data: 0 },
    { subbuf: 16, prevSubbuf: 0, prevPadding: 6, produced: 1, data: 0 },
    { subbuf: 0, prevSubbuf: 16, prevPadding: 9, produced: 2, data: 16 },
  ])
})

test('what a client refuses is counted, and what it overwrites the reader counts', () => {
  let accepts = true
  const { channel, buffer, reader } = openWith(() => accepts)
  const write = (number: number): boolean => channel.write(0, makeRecord(8, number))
  expect([0, 1, 2, 3, 4].map(write)).toEqual([true, true, true, true, true])
  accepts = false
  expect([5, 6, 7].map(write)).toEqual([true, false, false])
  expect(buffer.offset).toBe(17)
  expect(drainDead(reader)).toEqual([2, 3, 4, 5])
  accepts = true
  expect(write(8)).toBe(true)
  expect(drainDead(reader)).toEqual([8])
  expect([reader.overwritten, reader.remaining(), buffer.memory.discarded().full]).toEqual([2, 0, 2])
})

//   sub-buffer   0          1
//              [0  1]     [2  3]     the third start reserves in 0, which nobody has read, and then refuses
test('a header that was reserved accepts the sub-buffer: readers are told before its first byte goes', () => {
  let delivered: number[] = []
  const { channel, buffer, reader } = openWith((asked, subbuf, prevSubbuf) => {
    if (asked.produced < 2) return true
    const before = reader.next()
    delivered = walkRecords(before?.bytes ?? new Uint8Array(), before?.from ?? 0, before?.end ?? 0)
    asked.subbufStartReserve(4)
    asked.memory.data.fill(0xee, subbuf, subbuf + 4)
    expect([asked.offset, asked.data]).toEqual([4, prevSubbuf])
    // The reader asks again, while the header is being written: what stood there is gone.
    delivered.push(...drain(reader))
    return false
  })
  for (let number = 0; number < 5; number += 1) channel.write(0, makeRecord(8, number))
  expect(delivered).toEqual([0, 1])
  expect(drain(reader)).toEqual([2, 3])
  expect([buffer.offset, buffer.data, reader.overwritten]).toEqual([12, 0, 2])
})

test('a single sub-buffer that is overwritten: readers get what is in it, and count the rest', () => {
  const { channel, buffer, reader } = openWith(() => true, 1)
  for (let number = 0; number < 7; number += 1) channel.write(0, makeRecord(8, number))
  expect([buffer.produced, buffer.prevPadding, buffer.padding(0)]).toEqual([3, 0, 0])
  expect(drainDead(reader)).toEqual([6])
  expect([reader.overwritten, reader.remaining()]).toEqual([6, 0])
})

test('after a reset the buffer is as new, but its memory, file size and previous padding', () => {
  const { channel, buffer } = openWith((asked) => !asked.isFull)
  for (const length of [10, 7, 12, 17]) channel.write(0, new Uint8Array(length).fill(7))
  expect(buffer.fileBytes).toBe(17)
  channel.reset()
  const { produced, consumed, bytesConsumed, offset, data, prevPadding, fileBytes, isEmpty } = buffer
  expect({ produced, consumed, bytesConsumed, offset, data, prevPadding, fileBytes, isEmpty }).toEqual({
    produced: 0,
    consumed: 0,
    bytesConsumed: 0,
    offset: 0,
    data: 0,
    prevPadding: 9,
    fileBytes: 17,
    isEmpty: true,
  })
  expect([buffer.padding(0), buffer.padding(1), channel.lastTooBig]).toEqual([0, 0, 17])
  expect([...buffer.memory.data.subarray(0, 11)]).toEqual([...Array(10).fill(7), 0])
  expect(buffer.memory.discarded()).toEqual({ full: 1, tooBig: 1, bad: 0 })
  channel.write(0, new Uint8Array(3).fill(1))
  expect([...new RelayFile(buffer).readBytes(100)]).toEqual([1, 1, 1])
  // The two records that nobody had read count as lost.
  const reader = new Reader(buffer.memory)
  reader.settle()
  expect([reader.overwritten, reader.remaining()]).toEqual([2, 1])
})

test('those who wait are woken once, by the next switch, after it was published', () => {
  const { channel, buffer } = openWith((asked) => !asked.isFull, 1)
  const file = new RelayFile(buffer)
  const woken: string[] = []
  expect(file.poll(() => woken.push(file.poll()))).toBe('nothing')
  channel.write(0, new Uint8Array(16))
  expect(woken).toEqual([])
  channel.write(0, new Uint8Array(16))
  channel.write(0, new Uint8Array(16))
  expect(woken).toEqual(['readable'])
  expect([buffer.wakeups, buffer.isWaitedFor]).toEqual([1, false])
})

test('mode and header bytes without a subbufStart are data: overwrite mode, each sub-buffer with its header', () => {
  const channel = new TestClient([0]).open({ mode: 'overwrite', headerBytes: 2 })
  const buffer = bufferOf(channel, 0)
  for (let value = 1; value <= 5; value += 1) channel.write(0, new Uint8Array(6).fill(value))
  expect([buffer.produced, buffer.offset, buffer.fileBytes, buffer.isFull]).toEqual([4, 8, 32, true])
  expect(channel.write(0, new Uint8Array(7))).toBe(false)
  expect([buffer.produced, channel.lastTooBig]).toEqual([4, 7])
})
