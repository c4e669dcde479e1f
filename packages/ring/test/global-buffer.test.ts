/**
 * The memory of a global buffer matches the picture at the head of global/buffer.ts, and `attach`
 * refuses any other memory.
 */
import {
  checkGlobalGeometry,
  GLOBAL,
  GLOBAL_ABI,
  GLOBAL_ENTRY,
  GLOBAL_SLOT,
  GlobalBuffer,
  globalBufferBytes,
  GlobalReader,
  GlobalWriter,
  type GlobalGeometry,
} from '@rchan/ring'
import { describe, expect, test } from 'vitest'
import { misplacedWords, offsetsOf, readPicture } from '../../../test/picture.js'

const { words, elementWords } = readPicture(new URL('../src/global/buffer.ts', import.meta.url))
const slotStart = elementWords.findIndex(({ name }) => name === 'identity')
const entryWords = elementWords.slice(0, slotStart)
const slotWords = elementWords.slice(slotStart)

const GEOMETRY: GlobalGeometry = {
  subbufSize: 64,
  subbufCount: 3,
  mode: 'overwrite',
  headerBytes: 8,
  unitBytes: 8,
  maxWriters: 5,
}

describe('the picture', () => {
  test('has the exported offsets', () => {
    expect(offsetsOf(words, { 'sub-buffer table': 'table' })).toEqual(GLOBAL)
    expect(offsetsOf(entryWords)).toEqual(GLOBAL_ENTRY)
    expect(offsetsOf(slotWords)).toEqual(GLOBAL_SLOT)
  })

  test('has no words that overlap, and each is naturally aligned', () => {
    expect(misplacedWords(words)).toEqual([])
    expect(misplacedWords(entryWords)).toEqual([])
    expect(misplacedWords(slotWords)).toEqual([])
  })

  test('keeps words of different owners on different cache lines', () => {
    const owners = new Map<number, Set<string>>()
    for (const { at, rest } of words) {
      if (at === undefined) continue
      const line = Math.floor(at / 64)
      owners.set(line, (owners.get(line) ?? new Set()).add(rest.split(' ')[0]))
    }
    expect([...owners].filter(([, writers]) => writers.size !== 1)).toEqual([])
  })

  test('is how entries and slots stand in memory', () => {
    const buffer = GlobalBuffer.create(GEOMETRY)
    for (let index = 0; index < 3; index += 1) {
      const start = GLOBAL.table + 64 * index
      expect(buffer.committedWord(index) * 4).toBe(start + GLOBAL_ENTRY.committed)
      expect(buffer.endLong(index, 4) * 8).toBe(start + GLOBAL_ENTRY.endEven)
      expect(buffer.endLong(index, -1) * 8).toBe(start + GLOBAL_ENTRY.endOdd)
      expect(buffer.baseLong(index, 0) * 8).toBe(start + GLOBAL_ENTRY.baseEven)
      expect(buffer.baseLong(index, 7) * 8).toBe(start + GLOBAL_ENTRY.baseOdd)
      expect(buffer.accountedDouble(index) * 8).toBe(start + GLOBAL_ENTRY.accounted)
    }
    for (let slot = 0; slot < 5; slot += 1) {
      // 128 bytes of words and 24 of counts.
      expect(buffer.slotAt(slot)).toBe(640 + 256 * slot)
      expect(buffer.slotWord(slot, GLOBAL_SLOT.phase) * 4).toBe(buffer.slotAt(slot) + GLOBAL_SLOT.phase)
      expect(buffer.slotDouble(slot, GLOBAL_SLOT.written, 2) * 8).toBe(buffer.slotAt(slot) + 144)
    }
    expect(buffer.dataByteOffset % 4096).toBe(0)
    expect(globalBufferBytes(GEOMETRY)).toBe(buffer.dataByteOffset + 4096)
  })

  test('is what a creator stores', () => {
    const memory = new SharedArrayBuffer(4096 + globalBufferBytes(GEOMETRY))
    const buffer = GlobalBuffer.create(GEOMETRY, memory, 4096)
    const view = new DataView(memory, 4096)
    expect(String.fromCharCode(...new Uint8Array(memory, 4096, 4))).toBe('rchG')
    expect(view.getUint32(GLOBAL.abi, true)).toBe(GLOBAL_ABI)
    expect(view.getUint32(GLOBAL.mode, true)).toBe(1)
    expect(view.getUint32(GLOBAL.subbufSize, true)).toBe(64)
    expect(view.getUint32(GLOBAL.subbufCount, true)).toBe(3)
    expect(view.getUint32(GLOBAL.headerBytes, true)).toBe(8)
    expect(view.getUint32(GLOBAL.unitBytes, true)).toBe(8)
    expect(view.getUint32(GLOBAL.maxWriters, true)).toBe(5)
    expect(view.getUint32(GLOBAL.tags, true)).toBe(buffer.tags)
    expect(view.getUint32(GLOBAL.dataOffset, true)).toBe(buffer.dataByteOffset - 4096)
    expect(buffer.tags % 3).toBe(0)
    // 8 units and two values more need 4 bits, and one says closed.
    expect(buffer.unitBits).toBe(4)
    expect(view.getBigInt64(GLOBAL.state, true)).toBe(16n)
  })
})

describe('a shape that can not be is refused:', () => {
  test.each<[string, Partial<GlobalGeometry>]>([
    ['subbufSize=0', { subbufSize: 0 }],
    ['headerBytes=64', { headerBytes: 64 }],
    ['unitBytes=3', { unitBytes: 3 as 4 }],
    ['subbufSize=60 and headerBytes=8', { subbufSize: 60 }],
    ['subbufSize=64 and headerBytes=4', { headerBytes: 4 }],
    ['maxWriters=0', { maxWriters: 0 }],
    ['maxWriters=1.5', { maxWriters: 1.5 }],
    ['maxWriters=4097', { maxWriters: 4097 }],
    ['maxWriters=4096 * subbufCount=4096', { maxWriters: 4096, subbufCount: 4096 }],
    [
      'subbufSize=1073741824 and subbufCount=1 with unitBytes=1',
      { subbufSize: 2 ** 30, subbufCount: 1, unitBytes: 1 },
    ],
    [
      'subbufSize=262144 and subbufCount=4096 with unitBytes=1',
      { subbufSize: 2 ** 18, subbufCount: 4096, unitBytes: 1 },
    ],
    ['subbufSize=64 and subbufCount=3', { mostTags: 5 }],
  ])('%s', (message, change) => {
    expect(() => GlobalBuffer.create({ ...GEOMETRY, ...change })).toThrow(message)
    expect(() => GlobalBuffer.create({ ...GEOMETRY, ...change })).toThrow(RangeError)
  })

  test('the largest ones can be', () => {
    for (const subbufCount of [1, 2, 3, 7, 64, 1000, 2 ** 16]) {
      const subbufSize = Math.floor(2 ** 27 / subbufCount) * 8
      checkGlobalGeometry({ ...GEOMETRY, subbufCount, subbufSize, maxWriters: 64 })
    }
  })
})

describe('attach', () => {
  test('finds what another thread laid out, and both write it', () => {
    const memory = new SharedArrayBuffer(8192 + globalBufferBytes(GEOMETRY))
    const made = GlobalBuffer.create({ ...GEOMETRY, mostTags: 9 }, memory, 8192)
    const found = GlobalBuffer.attach(memory, 8192)
    expect(found.geometry).toEqual({ ...GEOMETRY, mostTags: 9 })
    expect(found.tags).toBe(made.tags)
    new GlobalWriter(made, 1).write(new Uint8Array([1]))
    new GlobalWriter(found, 2).write(new Uint8Array([2]))
    const span = new GlobalReader(found).newest()
    expect([span?.from, span?.end, span?.bytes[8], span?.bytes[16]]).toEqual([8, 24, 1, 2])
  })

  test('refuses memory that is none, of another version, or cut short', () => {
    const memory = new SharedArrayBuffer(globalBufferBytes(GEOMETRY))
    expect(() => GlobalBuffer.attach(memory)).toThrow('magic=0x0')
    expect(() => GlobalBuffer.attach(memory, 4)).toThrow('no global buffer')
    expect(() => GlobalBuffer.attach(memory, 2 ** 20)).toThrow('no global buffer')
    const buffer = GlobalBuffer.create(GEOMETRY, memory)
    const broken = (at: number, value: number): (() => unknown) => {
      const kept = buffer.words[at >> 2]
      return () => {
        buffer.words[at >> 2] = value
        try {
          GlobalBuffer.attach(memory)
        } finally {
          buffer.words[at >> 2] = kept
        }
      }
    }
    expect(broken(GLOBAL.abi, 99)).toThrow('abi=99')
    expect(broken(GLOBAL.mode, 2)).toThrow('mode=2')
    expect(broken(GLOBAL.unitBytes, 5)).toThrow('unitBytes=5')
    expect(broken(GLOBAL.dataOffset, 8192)).toThrow('dataOffset=8192')
    expect(broken(GLOBAL.tags, 100)).toThrow('tags=100')
    expect(broken(GLOBAL.subbufSize, 2 ** 20)).toThrow("don't fit")
    GlobalBuffer.attach(memory)
    const cut = new SharedArrayBuffer(4096)
    new Uint8Array(cut).set(new Uint8Array(memory, 0, 4096))
    expect(() => GlobalBuffer.attach(cut)).toThrow('the memory ends at byteLength=4096')
  })

  test('create refuses memory that is too small', () => {
    expect(() => GlobalBuffer.create(GEOMETRY, new SharedArrayBuffer(4096))).toThrow('does not fit')
    expect(() => GlobalBuffer.create(GEOMETRY, new SharedArrayBuffer(65536), 8)).toThrow('does not fit')
  })
})
