/** The owner dies or leaves. Its records are delivered, and another owner takes over the buffer. */
import { BUFFER, Reader, Writer } from '@rchan/ring'
import { describe, expect, test } from 'vitest'
import { makeRecord } from '../../../test/records.mjs'
import { drain, drainDead, makeSubject, take, writeNumbers } from './subject.js'

describe.each(['discard', 'overwrite'] as const)('in %s mode', (mode) => {
  test('the newest end of a dead owner is delivered, and the next owner goes on counting behind it', () => {
    const { channel, writer, reader } = makeSubject({ mode, subbufCount: 3 })
    writeNumbers(writer, 8, 0, 3)
    expect(drainDead(reader)).toEqual([0, 1, 2])
    expect(reader.retire()).toBe(0)
    const next = channel.writer(0)
    expect(channel.buffer(0).doubles[channel.buffer(0).firstDouble(2)]).toBe(3)
    writeNumbers(next, 8, 3, 4)
    expect(drainDead(reader)).toEqual([3, 4, 5, 6])
    expect(reader.retire()).toBe(0)
    expect(reader.overwritten).toBe(0)
    expect(reader.remaining()).toBe(0)
  })

  test('a record that its owner counted, but whose end it did not store, is torn', () => {
    const { channel, writer, reader } = makeSubject({ mode })
    writeNumbers(writer, 8, 0, 1)
    writer.view.u8.set(makeRecord(8, 1), 8)
    writer.view.words[writer.view.end + 1] += 1
    expect(drainDead(reader)).toEqual([0])
    expect(reader.retire()).toBe(1)
    const next = channel.writer(0)
    writeNumbers(next, 8, 2, 1)
    expect(drainDead(reader)).toEqual([2])
    expect(reader.overwritten).toBe(0)
    expect(reader.remaining()).toBe(0)
  })

  test('a part delivered while the owner lived is neither delivered again nor torn when it has died', () => {
    const { writer, reader } = makeSubject({ mode, subbufSize: 32 })
    writeNumbers(writer, 8, 0, 2)
    reader.sample()
    take(reader, reader.aged())
    writeNumbers(writer, 8, 2, 1)
    expect(drainDead(reader)).toEqual([2])
    expect(reader.retire()).toBe(0)
    expect(reader.aged()).toBeUndefined()
  })

  test('an owner that never wrote is retired without a trace', () => {
    const { channel, reader } = makeSubject({ mode })
    expect(drainDead(reader)).toEqual([])
    expect(reader.retire()).toBe(0)
    const next = channel.writer(0)
    writeNumbers(next, 8, 0, 1)
    expect(drainDead(reader)).toEqual([0])
  })

  test('an end that a dead owner can not have stored is not believed', () => {
    const { channel, writer, reader } = makeSubject({ mode, subbufSize: 32, headerBytes: 8 })
    writeNumbers(writer, 8, 0, 1)
    for (const end of [33, 4, 0, 2 ** 32 - 1]) {
      channel.buffer(0).words[channel.buffer(0).endWord(0)] = end
      expect(reader.newest()).toBeUndefined()
      reader.sample()
      expect(reader.aged()).toBeUndefined()
    }
    expect(reader.retire()).toBe(1)
  })

  test('a second reader counts only from where the first gave back', () => {
    const { channel, writer, reader } = makeSubject({ mode })
    writeNumbers(writer, 8, 0, 3)
    expect(drain(reader)).toEqual([0, 1])
    const second = channel.reader(0)
    expect(second.remaining()).toBe(1)
    writeNumbers(writer, 8, 3, 1)
    writer.flush()
    expect(drain(second)).toEqual([2, 3])
    expect(second.overwritten).toBe(0)
  })
})

test('an owner that died in a full buffer leaves nothing open', () => {
  const { channel, writer, reader } = makeSubject()
  writeNumbers(writer, 8, 0, 5)
  expect(drainDead(reader)).toEqual([0, 1, 2, 3])
  expect(reader.retire()).toBe(0)
  const next = channel.writer(0)
  writeNumbers(next, 8, 5, 1)
  expect(drainDead(reader)).toEqual([5])
  expect(reader.overwritten).toBe(0)
})

test('an owner that takes a full buffer over writes as soon as a sub-buffer is given back', () => {
  const { channel, writer, reader } = makeSubject()
  writeNumbers(writer, 8, 0, 5)
  const next = channel.writer(0)
  expect(writeNumbers(next, 8, 5, 1)).toEqual([])
  expect(drain(reader)).toEqual([0, 1, 2, 3])
  expect(writeNumbers(next, 8, 6, 1)).toEqual([6])
  expect(next.buffer.discarded().full).toBe(2)
})

//   sub-buffer   0        1                 the first owner is gone; 0 1 and 2 3 are delivered
//              [0  1]   [2  3]
//              [2…                          the next one stores `started` = 3, and has not stored `end` of 2 yet,
//                                           which is that of sub-buffer 0: 0 and 1 were delivered once more
test('the old end of a sub-buffer that a next owner is just starting is not taken for its own', () => {
  const { channel, writer, reader } = makeSubject({ mode: 'overwrite' })
  writeNumbers(writer, 8, 0, 4)
  expect(drainDead(reader)).toEqual([0, 1, 2, 3])
  reader.retire()
  const buffer = channel.buffer(0)
  Atomics.store(buffer.counters, BUFFER.started >> 3, 3n)
  expect(reader.sample()).toBe(false)
  expect(take(reader, reader.aged())).toEqual([])
  expect(take(reader, reader.newest())).toEqual([])
  const next = new Writer(buffer)
  expect(reader.sample()).toBe(false)
  writeNumbers(next, 8, 4, 1)
  expect(drainDead(reader)).toEqual([4])
})

//   sub-buffer   0        1                 as above, and now that next owner dies there: what the entry of 0 counts
//              [0  1]   [2  3]              was delivered, and was torn once more
//              [2…
test('the old count of a sub-buffer in whose start a next owner died is not taken for torn records', () => {
  const { channel, writer, reader } = makeSubject({ mode: 'overwrite' })
  writeNumbers(writer, 8, 0, 4)
  expect(drainDead(reader)).toEqual([0, 1, 2, 3])
  expect(reader.retire()).toBe(0)
  const { counters } = channel.buffer(0)
  Atomics.store(counters, BUFFER.started >> 3, 3n)
  expect(drainDead(reader)).toEqual([])
  expect(reader.retire()).toBe(0)
  writeNumbers(channel.writer(0), 8, 4, 1)
  expect(drainDead(reader)).toEqual([4])
  expect(reader.retire()).toBe(0)
  expect(reader.overwritten).toBe(0)
})

//   the only sub-buffer is full and about to be started again: `started` = 2 is stored, the rest
//   is not. 0 was delivered as a part, and all that it held was torn
test('what an only sub-buffer held, in whose next start its owner died, was overwritten', () => {
  const { channel, writer, reader } = makeSubject({ mode: 'overwrite', subbufCount: 1, subbufSize: 24 })
  writeNumbers(writer, 8, 0, 1)
  reader.sample()
  expect(take(reader, reader.aged())).toEqual([0])
  writeNumbers(writer, 8, 1, 2)
  const { counters } = channel.buffer(0)
  Atomics.store(counters, BUFFER.started >> 3, 2n)
  expect(drainDead(reader)).toEqual([])
  expect(reader.retire()).toBe(0)
  expect(reader.overwritten).toBe(2)
  expect(reader.remaining()).toBe(0)
  writeNumbers(channel.writer(0), 8, 3, 1)
  expect(drainDead(reader)).toEqual([3])
  expect(reader.overwritten).toBe(2)
})

describe.each([2 ** 31, 2 ** 32, 2 ** 40])('around sub-buffer %d', (base) => {
  test('counters go on', () => {
    const { channel } = makeSubject({ subbufCount: 3 })
    const buffer = channel.buffer(0)
    for (const word of [BUFFER.produced, BUFFER.started, BUFFER.consumed]) {
      buffer.counters[word >> 3] = BigInt(base - 2)
    }
    const writer = new Writer(buffer)
    const reader = new Reader(buffer)
    expect(writeNumbers(writer, 8, 0, 7)).toEqual([0, 1, 2, 3, 4, 5])
    expect(reader.next()?.sequence).toBe(base - 2)
    expect(drain(reader)).toEqual([0, 1, 2, 3, 4, 5])
    expect(Number(buffer.counters[BUFFER.consumed >> 3])).toBe(base + 1)
    expect(writeNumbers(writer, 8, 7, 2)).toEqual([7, 8])
    expect(drainDead(reader)).toEqual([7, 8])
  })
})

describe('a client that remembers a place in the buffer', () => {
  /** A writer whose client says how often the buffer went back, and what `resets` was then. */
  function subject() {
    const { channel } = makeSubject()
    const buffer = channel.buffer(0)
    const seen: number[] = []
    const callbacks = { reset: () => void seen.push(buffer.words[BUFFER.resets >> 2]) }
    return { buffer, seen, callbacks, writer: new Writer(buffer, callbacks) }
  }

  test('hears of a reset while readers see that it is under way', () => {
    const { writer, seen } = subject()
    writeNumbers(writer, 8, 0, 1)
    expect([writer.reset(), seen]).toEqual([true, [1]])
    expect([writer.reset(), seen]).toEqual([true, [1, 3]])
  })

  test('hears of it again where the owner died within the reset', () => {
    const { writer, seen, buffer, callbacks } = subject()
    writeNumbers(writer, 8, 0, 1)
    buffer.words[BUFFER.resets >> 2] += 1
    const next = new Writer(buffer, callbacks)
    expect([next.mustReset, seen, buffer.words[BUFFER.resets >> 2]]).toEqual([false, [1], 2])
  })

  test('hears nothing of a reset that a reader put off', () => {
    const { writer, seen, buffer } = subject()
    buffer.words[BUFFER.delivering >> 2] = 1
    expect([writer.reset(), seen]).toEqual([false, []])
  })
})
