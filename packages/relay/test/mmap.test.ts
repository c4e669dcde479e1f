/**
 * A mapping that is read on another thread, while the writer goes on: the protocol of
 * docs/relay.md, in relay-mmap-worker.mjs.
 *
 * Forbidden: a torn record let through; a record twice or out of order; in discard mode one that is
 * missing, without a reset; a gap where no sub-buffer was found lost; after a reset, a sub-buffer
 * of the new life given back unread.
 */
import { BUFFER, type Mode } from '@rchan/ring'
import { Relay, RelayFile, type RelayChannel } from '@rchan/relay'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { bufferOf, TestClient } from './client.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

const workers: Worker[] = []
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
})

interface Found {
  readonly subbufs: number
  readonly records: number
  readonly lost: number
  readonly gaps: number
  readonly unexplainedGaps: number
  readonly resets: number
  readonly last: number
  readonly error: string
}

interface Shape {
  readonly mode: Mode
  readonly subbufSize: number
  readonly subbufCount: number
  readonly count: number
  readonly maxBytes: number
  /** The reader waits at first until so many sub-buffers are complete. */
  readonly lagSubbufs?: number
}

function start(data: object): Worker {
  const worker = new Worker(new URL('mmap-worker.mjs', import.meta.url), { workerData: data })
  workers.push(worker)
  return worker
}

/** The next message of a worker. @throws the worker's error. */
async function messageOf(worker: Worker): Promise<unknown> {
  const [message] = (await once(worker, 'message')) as [unknown]
  return message
}

/**
 * A writer and a mapping reader on threads of their own.
 *
 * @param meanwhile runs here while the writer writes; then it writes `count` more.
 * @returns what the reader found, and how many records were written.
 */
async function run(
  shape: Shape,
  meanwhile?: (channel: RelayChannel) => Promise<void>,
): Promise<Found & { readonly written: number }> {
  const { mode, subbufSize, subbufCount, count, maxBytes, lagSubbufs = 0 } = shape
  const relay = new Relay(
    { identity: 1, log: (level, message) => console.error(level, message) },
    { possibleCpus: 1, memoryBytes: 2 ** 20 },
  )
  relay.serveFromEventLoop()
  const channel = relay.open({ mode, subbufSize, subbufCount })
  const started = new Int32Array(new SharedArrayBuffer(4))
  const mayStop = new Int32Array(new SharedArrayBuffer(4))
  mayStop[0] = meanwhile === undefined ? 1 : 0
  const shared = { memory: relay.memory, id: channel.id, seed: SEED, started, mayStop }
  const writer = start({ ...shared, role: 'writer', identity: 2, count, maxBytes })
  await messageOf(writer)
  const reader = start({ ...shared, role: 'reader', identity: 3, lagSubbufs })
  const found = messageOf(reader) as Promise<Found>
  const done = messageOf(writer)
  await meanwhile?.(channel)
  Atomics.store(mayStop, 0, 1)
  const written = (await done) as number
  // Nobody writes any more: this ends the last sub-buffer at once.
  channel.flush()
  channel.close()
  return { ...(await found), written }
}

test.each([
  { mode: 'discard', subbufSize: 64, subbufCount: 1, count: 5000, maxBytes: 30 },
  { mode: 'discard', subbufSize: 64, subbufCount: 3, count: 30_000, maxBytes: 60 },
  { mode: 'discard', subbufSize: 4096, subbufCount: 4, count: 200_000, maxBytes: 40 },
] satisfies Shape[])(
  `in discard mode a mapping shows every record once and in order (seed ${SEED}), $subbufCount × $subbufSize bytes`,
  async (shape) => {
    expect(await run(shape)).toMatchObject({
      records: shape.count,
      last: shape.count - 1,
      lost: 0,
      gaps: 0,
      error: '',
    })
  },
)

test.each([
  { mode: 'overwrite', subbufSize: 64, subbufCount: 2, count: 300_000, maxBytes: 30, lagSubbufs: 10 },
  { mode: 'overwrite', subbufSize: 512, subbufCount: 3, count: 300_000, maxBytes: 60, lagSubbufs: 10 },
  { mode: 'overwrite', subbufSize: 8192, subbufCount: 4, count: 400_000, maxBytes: 40, lagSubbufs: 10 },
] satisfies Shape[])(
  `in overwrite mode nothing torn is intact, and each gap was seen (seed ${SEED}), $subbufCount × $subbufSize bytes`,
  async (shape) => {
    const found = await run(shape)
    expect(found).toMatchObject({ last: shape.count - 1, unexplainedGaps: 0, error: '' })
    expect(found.lost).toBeGreaterThan(0)
    expect(found.gaps).toBeGreaterThan(0)
    expect(found.records).toBeLessThan(shape.count)
  },
)

test(`a mapping of a buffer that is reset shows nothing torn, and goes on behind it (seed ${SEED})`, async () => {
  const shape: Shape = { mode: 'discard', subbufSize: 64, subbufCount: 3, count: 5000, maxBytes: 60 }
  const found = await run(shape, async (channel) => {
    const buffer = bufferOf(channel, 0)
    while (buffer.produced === 0) await setTimeout(1)
    for (let resets = 0; resets < 100; resets += 1) {
      channel.reset()
      while (buffer.isAsked) await setTimeout(1)
    }
  })
  expect(found).toMatchObject({ last: found.written - 1, unexplainedGaps: 0, error: '' })
  expect(found.resets).toBeGreaterThan(0)
})

describe('a mapping', () => {
  const client = new TestClient([0])
  const channel = client.open({ subbufSize: 4096, subbufCount: 3 })
  const buffer = bufferOf(channel, 0)
  const file = new RelayFile(buffer)
  const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

  test('shows complete sub-buffers without their padding, wherever they stand in it', () => {
    for (let value = 0; value < 3; value += 1) {
      buffer.write(bytes(4000 - value, value))
      buffer.switch(0)
    }
    const whole = file.mmap(channel.allocSize)
    const behind = file.mmap(channel.allocSize, 1)
    expect([0, 1, 2].map((sequence) => whole.subbuf(sequence).length)).toEqual([4000, 3999, 3998])
    expect([0, 1, 2].map((sequence) => behind.subbuf(sequence).length)).toEqual([0, 3999, 3998])
    expect(behind.subbuf(2)).toEqual(bytes(3998, 2))
    expect([whole.missingPages, behind.missingPages]).toEqual([0, 1])
  })

  test('gives back what it was told, at most what was produced, and nothing twice', () => {
    const { resets } = buffer
    expect([file.consumeTo(2, resets), buffer.consumed]).toEqual([true, 2])
    expect([file.consumeTo(1, resets), buffer.consumed]).toEqual([true, 2])
    expect([file.consumeTo(9, resets), buffer.consumed]).toEqual([true, 3])
    expect(() => file.consumeTo(-1, resets)).toThrow('count=-1')
  })

  test('gives nothing back of a buffer that was reset since', () => {
    const { resets } = buffer
    expect(buffer.isIntact(2, resets)).toBe(true)
    channel.reset()
    buffer.write(bytes(10, 9))
    buffer.switch(0)
    expect([buffer.isIntact(2, resets), file.consumeTo(1, resets), buffer.consumed]).toEqual([
      false,
      false,
      0,
    ])
    expect([file.consumeTo(1, buffer.resets), buffer.consumed]).toEqual([true, 1])
  })

  test('shows nothing intact while a reset is under way', () => {
    const { words } = buffer.memory
    expect(buffer.isIntact(0, buffer.resets)).toBe(true)
    words[BUFFER.resets >> 2] += 1
    expect(buffer.isIntact(0, buffer.resets)).toBe(false)
    words[BUFFER.resets >> 2] -= 1
  })
})
