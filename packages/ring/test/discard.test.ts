/**
 * Discard mode on one thread: when every sub-buffer is unread, the newest record is lost and
 * counted.
 */
import { BUFFER, FULL, Reader, TOO_BIG, type WriterCallbacks } from '@rchan/ring'
import { describe, expect, test } from 'vitest'
import { makeRecord } from '../../../test/records.mjs'
import { drain, makeChannel, makeSubject, take, writeNumbers } from './subject.js'

describe('a full buffer', () => {
  //   sub-buffer   0        1        2
  //              [0  1]   [2  3]   [4  5]     6, 7, 8: discarded
  test('takes all its sub-buffers, and then counts each record that it refuses', () => {
    const { writer, reader } = makeSubject({ subbufCount: 3 })
    expect(writeNumbers(writer, 8, 0, 9)).toEqual([0, 1, 2, 3, 4, 5])
    expect(writer.buffer.discarded()).toEqual({ full: 3, tooBig: 0, bad: 0 })
    expect(drain(reader)).toEqual([0, 1, 2, 3, 4, 5])
    expect(reader.overwritten).toBe(0)
    expect(reader.remaining()).toBe(0)
  })

  test('resumes as soon as the reader has given one sub-buffer back, and keeps the order', () => {
    const { writer, reader } = makeSubject({ subbufCount: 3 })
    writeNumbers(writer, 8, 0, 7)
    const oldest = reader.next()
    expect(writeNumbers(writer, 8, 7, 1)).toEqual([])
    expect(take(reader, oldest)).toEqual([0, 1])
    //   sub-buffer   0        1        2
    //              [8  9]   [2  3]   [4  5]     10: discarded
    expect(writeNumbers(writer, 8, 8, 3)).toEqual([8, 9])
    expect(writer.buffer.discarded().full).toBe(3)
    expect(drain(reader)).toEqual([2, 3, 4, 5, 8, 9])
  })

  test('keeps its last record readable while it refuses the next', () => {
    const { writer, reader } = makeSubject()
    writeNumbers(writer, 8, 0, 5)
    expect(reader.sample()).toBe(false)
    expect(reader.newest()).toBeUndefined()
    expect(drain(reader)).toEqual([0, 1, 2, 3])
  })
})

test('a record that fits exactly does not switch', () => {
  const { writer, reader } = makeSubject()
  writeNumbers(writer, 16, 0, 1)
  expect(reader.next()).toBeUndefined()
  writeNumbers(writer, 16, 1, 1)
  expect(drain(reader)).toEqual([0])
  expect(writer.buffer.discarded().full).toBe(0)
})

test('the unused tail of a sub-buffer is not delivered', () => {
  const { writer, reader } = makeSubject()
  writeNumbers(writer, 10, 0, 2)
  const span = reader.next()
  expect(span).toMatchObject({ sequence: 0, from: 0, end: 10, complete: true, records: 1 })
})

test('reserve and commit place a record as write does', () => {
  const { writer, reader } = makeSubject()
  const at = writer.reserve(8)
  expect(at).toBe(0)
  writer.view.u8.set(makeRecord(8, 0), at)
  expect(reader.sample()).toBe(false)
  writer.commit(at, 8)
  expect(reader.sample()).toBe(true)
  expect(writer.reserve(10)).toBe(16)
  expect(drain(reader)).toEqual([0])
  expect(writer.reserve(17)).toBe(TOO_BIG)
  writer.flush()
  expect(writer.reserve(16)).toBe(16)
})

describe('a record that is too big', () => {
  test('is counted, with its length, and does not switch when it is longer than a sub-buffer', () => {
    const channel = makeChannel()
    const lengths: number[] = []
    const writer = channel.writer(0, { tooBig: (length) => lengths.push(length) })
    const reader = channel.reader(0)
    writeNumbers(writer, 8, 0, 1)
    expect(writer.write(new Uint8Array(17))).toBe(false)
    expect(reader.next()).toBeUndefined()
    expect(writer.buffer.discarded()).toEqual({ full: 0, tooBig: 1, bad: 0 })
    expect(lengths).toEqual([17])
    expect(writeNumbers(writer, 8, 1, 1)).toEqual([1])
  })

  test('switches nothing when only the header makes it too big', () => {
    const { writer, reader } = makeSubject({ headerBytes: 4 })
    writeNumbers(writer, 8, 0, 1)
    expect(writer.write(new Uint8Array(13))).toBe(false)
    expect(writer.buffer.discarded()).toEqual({ full: 0, tooBig: 1, bad: 0 })
    expect(drain(reader)).toEqual([])
    expect(writeNumbers(writer, 12, 1, 1)).toEqual([1])
    expect(drain(reader)).toEqual([0])
  })

  test('leaves a direct switch done when only the header makes it too big, as the kernel does', () => {
    const { writer, reader } = makeSubject({ headerBytes: 4 })
    writeNumbers(writer, 8, 0, 1)
    expect(writer.switch(13)).toBe(TOO_BIG)
    expect(writer.buffer.discarded()).toEqual({ full: 0, tooBig: 0, bad: 0 })
    expect(drain(reader)).toEqual([0])
    expect(writeNumbers(writer, 12, 1, 1)).toEqual([1])
    expect(reader.next()).toBeUndefined()
  })

  test('is counted as too big also while no sub-buffer is open', () => {
    const { writer } = makeSubject()
    writeNumbers(writer, 16, 0, 3)
    expect(writer.room(17)).toBe(TOO_BIG)
    expect(writer.room(16)).toBe(FULL)
    expect(writer.buffer.discarded()).toEqual({ full: 2, tooBig: 1, bad: 0 })
  })
})

test('a record whose arguments were bad is counted', () => {
  const { writer } = makeSubject()
  writer.discardBad()
  expect(writer.buffer.discarded()).toEqual({ full: 0, tooBig: 0, bad: 1 })
})

describe('records of no bytes', () => {
  test('count like any other', () => {
    const { writer, reader } = makeSubject()
    writer.write(makeRecord(16, 0))
    // Behind a sub-buffer that is filled to the last byte there is room for nothing.
    expect(writer.write(new Uint8Array(0))).toBe(true)
    writer.flush()
    const span = reader.next()
    expect(span).toMatchObject({ from: 0, end: 16, records: 2 })
  })

  //   sub-buffer  0               1
  //             ['' '' '']      [0  …       the three were counted as overwritten, in discard mode
  test('are delivered when there is nothing else in their sub-buffer', () => {
    const { writer, reader } = makeSubject()
    for (let i = 0; i < 3; i += 1) writer.write(new Uint8Array(0))
    writer.flush()
    writeNumbers(writer, 8, 0, 1)
    writer.flush()
    const span = reader.next()
    expect(span).toMatchObject({ from: 0, end: 0, complete: true, records: 3 })
    if (span !== undefined) reader.delivered(span, span.records)
    expect(drain(reader)).toEqual([0])
    expect(reader.overwritten).toBe(0)
    expect(reader.remaining()).toBe(0)
  })
})

describe('a flush', () => {
  test('of a sub-buffer without records does nothing', () => {
    const { writer, reader } = makeSubject()
    writer.flush()
    expect(reader.next()).toBeUndefined()
    expect(writeNumbers(writer, 8, 0, 5)).toEqual([0, 1, 2, 3])
  })

  test('makes what was written so far complete', () => {
    const { writer, reader } = makeSubject()
    writeNumbers(writer, 8, 0, 1)
    writer.flush()
    writer.flush()
    expect(drain(reader)).toEqual([0])
    expect(writeNumbers(writer, 8, 1, 5)).toEqual([1, 2, 3, 4])
  })

  test('of a full buffer does nothing', () => {
    const { writer } = makeSubject()
    writeNumbers(writer, 8, 0, 5)
    writer.flush()
    expect(writer.buffer.discarded()).toEqual({ full: 1, tooBig: 0, bad: 0 })
  })
})

test('a switch that finds the open sub-buffer empty gives the reader nothing', () => {
  const { writer, reader } = makeSubject()
  expect(writer.switch(0)).toBe(16)
  expect(reader.next()).toBeUndefined()
  expect(writeNumbers(writer, 16, 0, 2)).toEqual([0, 1])
  expect(drain(reader)).toEqual([0])
})

describe('one sub-buffer', () => {
  //   [0  1]   2: discarded, because there is nowhere to go before the reader was here
  test('takes records again each time the reader gave it back', () => {
    const { writer, reader } = makeSubject({ subbufCount: 1 })
    expect(writeNumbers(writer, 8, 0, 3)).toEqual([0, 1])
    expect(drain(reader)).toEqual([0, 1])
    expect(writeNumbers(writer, 8, 3, 3)).toEqual([3, 4])
    expect(drain(reader)).toEqual([3, 4])
    expect(writer.buffer.discarded().full).toBe(2)
    expect(reader.overwritten).toBe(0)
  })
})

describe('the header', () => {
  test("is the client's: reserved in each sub-buffer, filled by the callbacks, delivered in front of the records", () => {
    const calls: string[] = []
    const callbacks: WriterCallbacks = {
      subbufStart: (view, start) => {
        calls.push(`start ${start}`)
        view.u32[start >> 2] = 0xaa
      },
      subbufEnd: (view, start, end) => {
        calls.push(`end ${start} ${end}`)
        view.u32[(start >> 2) + 1] = end - start
      },
      produced: () => calls.push('produced'),
    }
    const channel = makeChannel({ subbufSize: 32, headerBytes: 8 })
    const writer = channel.writer(0, callbacks)
    const reader = channel.reader(0)
    writeNumbers(writer, 12, 0, 3)
    expect(calls).toEqual(['start 0', 'end 0 32', 'start 32', 'produced'])
    const span = reader.next()
    expect(span).toMatchObject({ from: 8, end: 32, records: 2 })
    const bytes = new DataView(Uint8Array.from(span?.bytes ?? []).buffer)
    expect([bytes.getUint32(0, true), bytes.getUint32(4, true)]).toEqual([0xaa, 32])
    expect(take(reader, span)).toEqual([0, 1])
  })

  test('is not reserved twice when the sub-buffer is refused first and started later', () => {
    const starts: number[] = []
    const channel = makeChannel({ headerBytes: 8 })
    const writer = channel.writer(0, { subbufStart: (_view, start) => starts.push(start) })
    const reader = channel.reader(0)
    writeNumbers(writer, 8, 0, 4)
    expect(starts).toEqual([0, 16])
    drain(reader)
    expect(writeNumbers(writer, 8, 4, 2)).toEqual([4, 5])
    expect(starts).toEqual([0, 16, 0, 16])
  })
})

test('a writer begins its first sub-buffer at once: it can be read before it has a record', () => {
  const { writer } = makeSubject({ headerBytes: 8 })
  expect(writer.buffer.counters[BUFFER.started >> 3]).toBe(1n)
  expect(writer.buffer.hasLabel(0, 0)).toBe(true)
  expect([writer.view.words[writer.view.end], writer.view.limit]).toEqual([8, 16])
})

test.each(['subbufEnd', 'subbufStart'] as const)(
  'a switch that an exception in %s cuts off is not published, and is done again',
  (name) => {
    let failing = false
    const writer = makeChannel({ subbufSize: 32 }).writer(0, {
      [name]: () => {
        if (failing) throw new Error('of the client')
      },
    })
    const reader = new Reader(writer.buffer)
    writeNumbers(writer, 12, 0, 2)
    failing = true
    expect(() => writer.write(makeRecord(12, 2))).toThrow('of the client')
    // Else the reader gave back a sub-buffer that the writer still writes.
    expect(reader.next()).toBeUndefined()
    failing = false
    expect(writeNumbers(writer, 6, 2, 1)).toEqual([2])
    expect(writeNumbers(writer, 12, 3, 1)).toEqual([3])
    writer.flush()
    expect(drain(reader)).toEqual([0, 1, 2, 3])
  },
)
