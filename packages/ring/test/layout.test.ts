/** The memory of a buffer matches the picture at the head of buffer.ts. */
import { BUFFER, BUFFER_ABI, BufferMemory, bufferBytes, Channel, dataOffset } from '@rchan/ring'
import { expect, test } from 'vitest'
import { misplacedWords, offsetsOf, readPicture } from '../../../test/picture.js'

const { words, elementWords } = readPicture(new URL('../src/buffer.ts', import.meta.url))

test('the picture of a buffer has the exported offsets', () => {
  expect(offsetsOf(words, { 'sub-buffer table': 'table' })).toEqual(BUFFER)
})

test('no word of a buffer overlaps another, and each is naturally aligned', () => {
  expect(misplacedWords(words)).toEqual([])
  expect(misplacedWords(elementWords)).toEqual([])
})

test('words of different writers are on different cache lines', () => {
  const owners = new Map<number, Set<string>>()
  for (const { at = 0, rest } of words) {
    const line = Math.floor(at / 64)
    owners.set(line, (owners.get(line) ?? new Set()).add(rest.split(' ')[0]))
  }
  expect([...owners].filter(([, writers]) => writers.size !== 1)).toEqual([])
})

test('the table of sub-buffers has the element words of the picture', () => {
  const buffer = Channel.create({
    subbufSize: 64,
    subbufCount: 3,
    mode: 'discard',
    headerBytes: 8,
    possibleCpus: 1,
  }).buffer(0)
  const at = Object.fromEntries(elementWords.map((word) => [word.name, word.at ?? NaN]))
  const elementBytes = Math.max(...elementWords.map((word) => (word.at ?? 0) + 4))
  expect(Object.keys(at)).toEqual(['end', 'count', 'first', 'bytesBefore', 'prevPadding', 'label'])
  for (let index = 0; index < 3; index += 1) {
    const start = BUFFER.table + index * elementBytes
    expect(buffer.endWord(index) * 4).toBe(start + at.end)
    expect(buffer.countWord(index) * 4).toBe(start + at.count)
    expect(buffer.firstDouble(index) * 8).toBe(start + at.first)
    expect(buffer.bytesBeforeDouble(index) * 8).toBe(start + at.bytesBefore)
    expect(buffer.prevPaddingWord(index) * 4).toBe(start + at.prevPadding)
    expect(buffer.labelWord(index) * 4).toBe(start + at.label)
  }
})

test('the words in memory are those of the picture, in its types', () => {
  const memory = new SharedArrayBuffer(4096 + bufferBytes({ ...GEOMETRY }))
  const buffer = BufferMemory.create(memory, 4096, 5, GEOMETRY)
  const view = new DataView(memory, 4096)
  expect(String.fromCharCode(...new Uint8Array(memory, 4096, 4))).toBe('rchB')
  expect(view.getUint32(BUFFER.abi, true)).toBe(BUFFER_ABI)
  expect(view.getUint32(BUFFER.cpu, true)).toBe(5)
  expect(view.getUint32(BUFFER.mode, true)).toBe(1)
  expect(view.getUint32(BUFFER.subbufSize, true)).toBe(40)
  expect(view.getUint32(BUFFER.subbufCount, true)).toBe(3)
  expect(view.getUint32(BUFFER.headerBytes, true)).toBe(16)
  expect(view.getUint32(BUFFER.dataOffset, true)).toBe(buffer.dataByteOffset - 4096)
  expect((buffer.dataByteOffset - 4096) % 4096).toBe(0)
  expect(buffer.data.byteOffset).toBe(buffer.dataByteOffset)
  expect(buffer.data.byteLength).toBe(120)
})

test('a table that fills its page to the last entry does not reach into the data', () => {
  const fitting = Math.floor((4096 - BUFFER.table) / 32)
  expect(dataOffset(fitting)).toBe(4096)
  expect(dataOffset(fitting + 1)).toBe(8192)
})

const GEOMETRY = { subbufSize: 40, subbufCount: 3, mode: 'overwrite', headerBytes: 16 } as const
