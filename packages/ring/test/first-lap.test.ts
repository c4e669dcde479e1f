/** The pages of a buffer are touched ahead of its writer, in the first lap, and no others. */
import {
  BUFFER,
  Channel,
  FirstLap,
  firstLapBytes,
  GlobalBuffer,
  GlobalReader,
  GlobalWriter,
  MOST_LEAD_BYTES,
  NEAR_BYTES,
  PAGE_BYTES,
} from '@rchan/ring'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const KIB = 1024
const SHAPE = { subbufSize: 64 * KIB, subbufCount: 32, headerBytes: 0, possibleCpus: 1 }
const BYTES = SHAPE.subbufSize * SHAPE.subbufCount

afterEach(() => {
  vi.restoreAllMocks()
})

/** Where the pages are that `work` touches, in bytes from the start of the memory. */
function touchedBy(work: () => void): number[] {
  const touched: number[] = []
  const exchange = Atomics.compareExchange.bind(Atomics) as (...args: unknown[]) => number
  vi.spyOn(Atomics, 'compareExchange').mockImplementation(((
    words: Int32Array,
    index: number,
    ...rest: unknown[]
  ) => {
    touched.push(words.byteOffset + 4 * index)
    return exchange(words, index, ...rest)
  }) as typeof Atomics.compareExchange)
  work()
  vi.restoreAllMocks()
  return touched
}

/** A buffer of one CPU, or of all CPUs, of which `write` writes so many bytes more. */
interface Subject {
  readonly dataStart: number
  readonly lap: FirstLap
  readonly write: (bytes: number) => void
}

function cpuSubject(mode: 'discard' | 'overwrite'): Subject {
  const channel = Channel.create({ ...SHAPE, mode })
  const buffer = channel.buffer(0)
  const writer = channel.writer(0)
  return {
    dataStart: buffer.dataByteOffset,
    lap: new FirstLap(buffer.data, () => firstLapBytes(buffer)),
    write: (bytes) => {
      for (let left = bytes; left > 0; left -= KIB) writer.write(new Uint8Array(KIB).fill(1))
    },
  }
}

function globalSubject(): Subject {
  const { possibleCpus: _, ...shape } = SHAPE
  const geometry = { ...shape, mode: 'discard', unitBytes: 8, maxWriters: 2 } as const
  const buffer = GlobalBuffer.create(geometry)
  const reader = new GlobalReader(buffer)
  const writer = new GlobalWriter(buffer, 1)
  return {
    dataStart: buffer.dataByteOffset,
    lap: new FirstLap(buffer.data, () => {
      const { sequence, bytes } = reader.written()
      return sequence * SHAPE.subbufSize + bytes
    }),
    write: (bytes) => {
      for (let left = bytes; left > 0; left -= KIB) writer.write(new Uint8Array(KIB).fill(1))
    },
  }
}

describe.each([
  ['a CPU’s buffer in discard mode', () => cpuSubject('discard')],
  ['a CPU’s buffer in overwrite mode', () => cpuSubject('overwrite')],
  ['a global buffer', globalSubject],
])('%s', (_, make) => {
  test('a thread that wrote nothing, or little, has no page touched for it', () => {
    const { lap, write } = make()
    expect(touchedBy(() => lap.stayAhead())).toEqual([])
    write(NEAR_BYTES)
    expect(touchedBy(() => lap.stayAhead())).toEqual([])
  })

  test('the lead is as long as what was written, and the near pages are left to the writer', () => {
    const { lap, write, dataStart } = make()
    write(60 * KIB)
    const pages = touchedBy(() => lap.stayAhead())
    expect(pages[0]).toBe(dataStart + 60 * KIB + NEAR_BYTES)
    expect(pages.at(-1)).toBe(dataStart + 120 * KIB - PAGE_BYTES)
    expect(pages).toHaveLength((60 * KIB - NEAR_BYTES) / PAGE_BYTES)
  })

  test('the lead grows to its limit, and no page is touched twice', () => {
    const { lap, write, dataStart } = make()
    const all: number[] = []
    for (let written = 0; written < BYTES - MOST_LEAD_BYTES; written += 32 * KIB) {
      write(32 * KIB)
      const pages = touchedBy(() => lap.stayAhead())
      for (const page of pages) {
        expect(page).toBeGreaterThanOrEqual(dataStart + written + 32 * KIB + NEAR_BYTES)
        expect(page).toBeLessThan(dataStart + written + 32 * KIB + MOST_LEAD_BYTES)
      }
      all.push(...pages)
    }
    expect(new Set(all).size).toBe(all.length)
    expect(Math.max(...all)).toBeGreaterThan(dataStart + BYTES - MOST_LEAD_BYTES)
  })

  test('the lap ends with the buffer, and nothing is touched after it', () => {
    const { lap, write } = make()
    for (let written = 0; written < BYTES; written += 64 * KIB) {
      write(64 * KIB)
      lap.stayAhead()
    }
    write(KIB)
    lap.stayAhead()
    expect(lap.isOver).toBe(true)
    expect(touchedBy(() => lap.stayAhead())).toEqual([])
  })
})

test('a writer that comes nearer while pages are touched is left its pages', () => {
  let written = 256 * KIB
  const lap = new FirstLap(new Uint8Array(new SharedArrayBuffer(BYTES)), () => {
    // A burst: 128 KiB between two looks.
    written += 128 * KIB
    return written
  })
  const start = written
  const pages = touchedBy(() => lap.stayAhead())
  expect(pages).toEqual([start + 256 * KIB + NEAR_BYTES, start + 384 * KIB + NEAR_BYTES])
})

test('a place of the writer that can not be true touches nothing outside of the buffer', () => {
  for (const written of [NaN, -1, Infinity, 2 ** 53, BYTES, BYTES - 1]) {
    const lap = new FirstLap(new Uint8Array(new SharedArrayBuffer(BYTES)), () => written)
    expect(touchedBy(() => lap.stayAhead())).toEqual([])
  }
})

test('an entry that is not begun yet does not count', () => {
  const channel = Channel.create({ ...SHAPE, mode: 'discard' })
  const buffer = channel.buffer(0)
  expect(firstLapBytes(buffer)).toBe(0)
  const writer = channel.writer(0)
  for (let i = 0; i < 65; i += 1) writer.write(new Uint8Array(KIB))
  buffer.words[buffer.endWord(1)] = 7
  expect(firstLapBytes(buffer)).toBe(64 * KIB)
  buffer.words[buffer.endWord(1)] = 2 ** 31
  expect(firstLapBytes(buffer)).toBe(64 * KIB)
  // A count that is none: the lap is over.
  buffer.counters[BUFFER.produced >> 3] = -5000n
  expect(firstLapBytes(buffer)).toBe(BYTES)
})

// The language doesn't promise this, and processors do: see first-lap.ts.
test.each([8, 4, 1])('plain stores of %i bytes that race with a touch are never lost', async (width) => {
  const rounds = 50
  const memory = new SharedArrayBuffer(64 * PAGE_BYTES)
  const words = new Int32Array(memory)
  const bytes = new Uint8Array(memory)
  const turn = new Int32Array(new SharedArrayBuffer(4))
  const done = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('touching-worker.mjs', import.meta.url), {
    workerData: { memory, pageBytes: PAGE_BYTES, rounds, width, turn, done },
  })
  const failed = new Promise((_, reject) => worker.once('error', reject))
  await Promise.race([once(worker, 'online'), failed])
  const expected = new Uint8Array(8)
  if (width === 8) new Float64Array(expected.buffer)[0] = Math.PI
  else if (width === 4) new Uint32Array(expected.buffer)[0] = 0x01020304
  else expected.set([1, 2, 3, 4])
  for (let round = 1; round <= rounds; round += 1) {
    bytes.fill(0)
    Atomics.store(turn, 0, round)
    do {
      for (let at = 0; at < words.length; at += PAGE_BYTES >> 2) Atomics.compareExchange(words, at, 0, 0)
    } while (Atomics.load(done, 0) !== round)
    const lost = []
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      for (let byte = 0; byte < 8; byte += 1) if (bytes[at + byte] !== expected[byte]) lost.push(at + byte)
    }
    expect(lost).toEqual([])
  }
  await once(worker, 'exit')
})
