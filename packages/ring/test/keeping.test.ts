/**
 * A reader that keeps: it sees what is in the buffer, and leaves everything as it was, for the
 * buffer's reader and for the next owner.
 */
import { BUFFER, GlobalBuffer, GlobalReader, GlobalWriter, Reader, type Channel } from '@rchan/ring'
import { expect, test } from 'vitest'
import { makeRecord, walkRecords } from '../../../test/records.mjs'
import { drain, drainDead, makeSubject, take, writeNumbers } from './subject.js'

/** Everything of a buffer. */
function memoryOf(reader: Reader | GlobalReader): Buffer {
  return Buffer.from(new Uint8Array(reader.buffer.memory).slice())
}

/** Closes what a dead owner left open; all of it stays. */
function retireKept(channel: Channel): void {
  const keeping = new Reader(channel.buffer(0), { keeps: true })
  keeping.skipCompleted()
  take(keeping, keeping.newest())
  expect(keeping.retire()).toBe(0)
}

//   sub-buffer   0        1        2
//              [6  7]   [8   ]   [4  5]      0 to 3 went before
test('reads what is there, as often as it is made, and stores nothing', () => {
  const { channel, writer, reader } = makeSubject({ mode: 'overwrite', subbufCount: 3 })
  writeNumbers(writer, 8, 0, 9)
  const before = memoryOf(reader)
  for (let round = 0; round < 2; round += 1) {
    const keeping = new Reader(channel.buffer(0), { keeps: true })
    expect(drain(keeping)).toEqual([4, 5, 6, 7])
    expect(take(keeping, keeping.newest())).toEqual([8])
    // What went before is no loss of this reader.
    expect([keeping.older, keeping.overwritten, keeping.remaining()]).toEqual([4, 0, 0])
  }
  expect(memoryOf(reader).equals(before)).toBe(true)
  expect(drainDead(reader)).toEqual([4, 5, 6, 7, 8])
  expect(reader.overwritten).toBe(4)
})

test('counts what is overwritten after it began', () => {
  const { channel, writer } = makeSubject({ mode: 'overwrite', subbufCount: 3 })
  writeNumbers(writer, 8, 0, 9)
  const keeping = new Reader(channel.buffer(0), { keeps: true })
  expect(take(keeping, keeping.next())).toEqual([4, 5])
  writeNumbers(writer, 8, 9, 4)
  //   sub-buffer   0          1        2
  //              [12  ]     [8  9]   [10 11]     6 and 7 went
  expect(drainDead(keeping)).toEqual([8, 9, 10, 11, 12])
  expect(keeping.overwritten).toBe(2)
})

test('leaves alone what was completed later than it was told', () => {
  const { channel, writer } = makeSubject({ mode: 'overwrite', subbufCount: 3 })
  writeNumbers(writer, 8, 0, 3)
  const keeping = new Reader(channel.buffer(0), { keeps: true })
  const before = keeping.completed()
  writeNumbers(writer, 8, 3, 2)
  expect(take(keeping, keeping.next(before))).toEqual([0, 1])
  expect(keeping.next(before)).toBeUndefined()
  expect(drainDead(keeping)).toEqual([2, 3, 4])
})

test('in discard mode, reads what the reader has not given back', () => {
  const { channel, writer, reader } = makeSubject({ subbufCount: 3 })
  writeNumbers(writer, 8, 0, 5)
  expect(take(reader, reader.next())).toEqual([0, 1])
  expect(drainDead(new Reader(channel.buffer(0), { keeps: true }))).toEqual([2, 3, 4])
  expect(drainDead(reader)).toEqual([2, 3, 4])
})

test('closes what a dead owner left open: the data stays, and the next owner goes on behind it', () => {
  const { channel, writer } = makeSubject({ mode: 'overwrite', subbufCount: 3 })
  writeNumbers(writer, 8, 0, 3)
  // The owner died between the count and the end of a record.
  writer.buffer.words[writer.view.end + 1] += 1
  const keeping = new Reader(channel.buffer(0), { keeps: true })
  keeping.skipCompleted()
  expect(take(keeping, keeping.newest())).toEqual([2])
  expect(keeping.retire()).toBe(1)
  expect(Number(channel.buffer(0).counters[BUFFER.consumed >> 3])).toBe(0)
  const next = channel.writer(0)
  writeNumbers(next, 8, 3, 1)
  const all = new Reader(channel.buffer(0), { keeps: true })
  expect(drainDead(all)).toEqual([0, 1, 2, 3])
  expect([all.older, all.overwritten]).toEqual([0, 0])
})

//   sub-buffer   0        1        2
//              [6  7]   [8   ]   [4  5]      the next owner begins in 2, which still holds the oldest
test('what a dead owner would have overwritten next stays, in overwrite mode', () => {
  const { channel, writer } = makeSubject({ mode: 'overwrite', subbufCount: 3 })
  writeNumbers(writer, 8, 0, 9)
  retireKept(channel)
  const all = new Reader(channel.buffer(0), { keeps: true })
  expect(take(all, all.next())).toEqual([4, 5])
  expect(all.older).toBe(4)
  // The next owner laps the reader, which counts what it lost.
  writeNumbers(channel.writer(0), 8, 9, 6)
  expect(drainDead(all)).toEqual([9, 10, 11, 12, 13, 14])
  expect(all.overwritten).toBe(3)
})

test('what a dead owner could not overwrite stays, in discard mode', () => {
  const { channel, writer, reader } = makeSubject({ subbufCount: 3 })
  writeNumbers(writer, 8, 0, 5)
  retireKept(channel)
  expect(drainDead(new Reader(channel.buffer(0), { keeps: true }))).toEqual([0, 1, 2, 3, 4])
  expect(drain(reader)).toEqual([0, 1, 2, 3, 4])
  writeNumbers(channel.writer(0), 8, 5, 1)
  expect(drainDead(reader)).toEqual([5])
})

test('a damaged count of sub-buffers is an error', () => {
  const { channel } = makeSubject({ mode: 'overwrite' })
  const { counters } = channel.buffer(0)
  const keeping = new Reader(channel.buffer(0), { keeps: true })
  counters[BUFFER.produced >> 3] = -5n
  expect(() => keeping.next()).toThrow(/damaged: produced=-5/)
})

test('of a global buffer, reads what is there, and stores nothing', () => {
  const geometry = { subbufSize: 16, subbufCount: 3, headerBytes: 0, unitBytes: 8, maxWriters: 2 } as const
  const buffer = GlobalBuffer.create({ ...geometry, mode: 'overwrite' })
  const writer = new GlobalWriter(buffer, 1)
  const write = (first: number, count: number): void => {
    for (let number = first; number < first + count; number += 1) writer.write(makeRecord(8, number))
  }
  const all = (reader: GlobalReader): number[] => {
    const numbers: number[] = []
    for (;;) {
      const span = reader.next() ?? reader.newest()
      if (span === undefined) return numbers
      const found = walkRecords(span.bytes, span.from, span.end)
      numbers.push(...found)
      reader.delivered(span, found.length)
    }
  }
  write(0, 9)
  const reader = new GlobalReader(buffer)
  const before = memoryOf(reader)
  for (let round = 0; round < 2; round += 1) {
    const keeping = new GlobalReader(buffer, { keeps: true })
    expect(all(keeping)).toEqual([4, 5, 6, 7, 8])
    expect([keeping.overwritten, keeping.torn, keeping.remaining()]).toEqual([0, 0, 0])
  }
  expect(memoryOf(reader).equals(before)).toBe(true)
  const late = new GlobalReader(buffer, { keeps: true })
  const span = late.next()
  expect(span?.records).toBe(2)
  if (span !== undefined) late.delivered(span, 2)
  write(9, 4)
  expect(all(late)).toEqual([8, 9, 10, 11, 12])
  expect(late.overwritten).toBe(2)
  expect(all(reader)).toEqual([8, 9, 10, 11, 12])
  expect(reader.overwritten).toBe(8)
})
