/** Parts of the open sub-buffer are delivered without the owner's help, and later the rest. */
import { describe, expect, test } from 'vitest'
import { drain, makeSubject, take, writeNumbers } from './subject.js'

describe.each(['discard', 'overwrite'] as const)('in %s mode', (mode) => {
  test('what was written after the sample is not in the aged part', () => {
    const { writer, reader } = makeSubject({ mode, subbufSize: 64, headerBytes: 8 })
    expect(reader.sample()).toBe(false)
    expect(reader.aged()).toBeUndefined()
    writeNumbers(writer, 8, 0, 2)
    expect(reader.sample()).toBe(true)
    writeNumbers(writer, 8, 2, 1)
    const span = reader.aged()
    expect(span).toMatchObject({ sequence: 0, from: 8, end: 24, complete: false, records: -1 })
    expect(take(reader, span)).toEqual([0, 1])
  })

  test('the rest follows when the sub-buffer is complete, and nothing comes twice', () => {
    const { writer, reader } = makeSubject({ mode, subbufSize: 64, headerBytes: 8 })
    writeNumbers(writer, 8, 0, 2)
    reader.sample()
    expect(take(reader, reader.aged())).toEqual([0, 1])
    expect(reader.aged()).toBeUndefined()
    expect(reader.sample()).toBe(false)
    expect(reader.aged()).toBeUndefined()
    writeNumbers(writer, 8, 2, 2)
    expect(reader.sample()).toBe(true)
    expect(take(reader, reader.aged())).toEqual([2, 3])
    writeNumbers(writer, 8, 4, 4)
    const span = reader.next()
    expect(span).toMatchObject({ sequence: 0, from: 40, end: 64, complete: true, records: 3 })
    expect(take(reader, span)).toEqual([4, 5, 6])
    expect(take(reader, reader.newest())).toEqual([7])
    expect(reader.overwritten).toBe(0)
    expect(reader.remaining()).toBe(0)
  })

  test('a sub-buffer that was delivered to its end is given back without a span', () => {
    const { writer, reader } = makeSubject({ mode, subbufCount: 3 })
    writeNumbers(writer, 8, 0, 2)
    reader.sample()
    expect(take(reader, reader.aged())).toEqual([0, 1])
    writeNumbers(writer, 8, 2, 3)
    expect(drain(reader)).toEqual([2, 3])
    expect(take(reader, reader.newest())).toEqual([4])
    expect(writer.buffer.discarded().full).toBe(0)
  })

  test('an aged part may be taken after its sub-buffer was completed, and the rest follows', () => {
    const { writer, reader } = makeSubject({ mode })
    writeNumbers(writer, 8, 0, 1)
    reader.sample()
    writeNumbers(writer, 8, 1, 2)
    expect(take(reader, reader.aged())).toEqual([0])
    expect(drain(reader)).toEqual([1])
    expect(take(reader, reader.newest())).toEqual([2])
  })

  test('an aged part waits for the complete sub-buffers before it, and is void once its own was delivered', () => {
    const { writer, reader } = makeSubject({ mode })
    writeNumbers(writer, 8, 0, 3)
    expect(reader.sample()).toBe(true)
    expect(reader.aged()).toBeUndefined()
    expect(reader.newest()).toBeUndefined()
    expect(drain(reader)).toEqual([0, 1])
    writeNumbers(writer, 8, 3, 2)
    expect(drain(reader)).toEqual([2, 3])
    expect(reader.aged()).toBeUndefined()
  })

  test('a reader that takes less than the part gets the rest of it later', () => {
    const { writer, reader } = makeSubject({ mode, subbufSize: 64 })
    writeNumbers(writer, 8, 0, 3)
    const span = reader.newest()
    if (span !== undefined) reader.delivered(span, 1, 8)
    expect(reader.sample()).toBe(true)
    expect(take(reader, reader.aged())).toEqual([1, 2])
    expect(reader.remaining()).toBe(0)
  })

  test('a span that is not marked as delivered is given again', () => {
    const { writer, reader } = makeSubject({ mode })
    writeNumbers(writer, 8, 0, 3)
    expect(reader.next()).toMatchObject({ sequence: 0, from: 0, end: 16 })
    expect(drain(reader)).toEqual([0, 1])
    expect(reader.newest()).toMatchObject({ sequence: 1, from: 0, end: 8 })
    expect(take(reader, reader.newest())).toEqual([2])
  })
})
