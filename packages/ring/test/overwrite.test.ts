/**
 * Overwrite mode on one thread: the oldest sub-buffer is lost, and the reader counts its records.
 */
import { expect, test } from 'vitest'
import { drain, drainDead, makeSubject, take, writeNumbers } from './subject.js'

//   sub-buffer   0        1        2
//              [6  7]   [8   ]   [4  5]      0 1 and 2 3 went
test('a reader that was lapped counts exactly what it lost', () => {
  const { writer, reader } = makeSubject({ mode: 'overwrite', subbufCount: 3 })
  expect(writeNumbers(writer, 8, 0, 9)).toHaveLength(9)
  expect(reader.remaining()).toBe(9)
  expect(drain(reader)).toEqual([4, 5, 6, 7])
  expect(reader.overwritten).toBe(4)
  expect(take(reader, reader.newest())).toEqual([8])
  expect(reader.remaining()).toBe(0)
  expect(writer.buffer.discarded()).toEqual({ full: 0, tooBig: 0, bad: 0 })
})

test('a reader that keeps up loses nothing', () => {
  const { writer, reader } = makeSubject({ mode: 'overwrite' })
  const numbers: number[] = []
  for (let i = 0; i < 20; i += 1) {
    writeNumbers(writer, 8, i, 1)
    numbers.push(...drain(reader))
  }
  numbers.push(...drainDead(reader))
  expect(numbers).toEqual(Array.from({ length: 20 }, (_, i) => i))
  expect(reader.overwritten).toBe(0)
})

test('what was delivered of a sub-buffer before it was lapped is not counted as overwritten', () => {
  const { writer, reader } = makeSubject({ mode: 'overwrite', subbufSize: 32 })
  writeNumbers(writer, 8, 0, 3)
  reader.sample()
  expect(take(reader, reader.aged())).toEqual([0, 1, 2])
  //   sub-buffer   0                1
  //              [8  9 10 11]     [12 …       3 came after the sample; 4 to 7 were never read
  writeNumbers(writer, 8, 3, 10)
  expect(drain(reader)).toEqual([8, 9, 10, 11])
  expect(reader.overwritten).toBe(5)
  expect(take(reader, reader.newest())).toEqual([12])
  expect(reader.remaining()).toBe(0)
})

test('a sample of a sub-buffer that was lapped is worth nothing', () => {
  const { writer, reader } = makeSubject({ mode: 'overwrite' })
  writeNumbers(writer, 8, 0, 1)
  expect(reader.sample()).toBe(true)
  writeNumbers(writer, 8, 1, 4)
  expect(reader.aged()).toBeUndefined()
  expect(drainDead(reader)).toEqual([2, 3, 4])
  expect(reader.overwritten).toBe(2)
})

test('a span is a copy: what the owner does next does not change it', () => {
  const { writer, reader } = makeSubject({ mode: 'overwrite' })
  writeNumbers(writer, 8, 0, 3)
  const span = reader.next()
  writeNumbers(writer, 8, 3, 10)
  expect(take(reader, span)).toEqual([0, 1])
  expect(drainDead(reader)).toEqual([10, 11, 12])
  expect(reader.overwritten).toBe(8)
})

test('a record that fits no sub-buffer costs a flight recorder none that it holds', () => {
  const { writer, reader } = makeSubject({ mode: 'overwrite', headerBytes: 4 })
  writeNumbers(writer, 10, 0, 1)
  for (let i = 0; i < 4; i += 1) expect(writer.write(new Uint8Array(13))).toBe(false)
  expect(writer.buffer.discarded().tooBig).toBe(4)
  writeNumbers(writer, 10, 1, 1)
  expect(drainDead(reader)).toEqual([0, 1])
  expect(reader.overwritten).toBe(0)
  expect(reader.remaining()).toBe(0)
})
