/**
 * A relay file that is read while another thread, which lives, owns the buffer; played by one
 * thread, and by two.
 *
 * Forbidden: a record that is torn, missing, twice, or out of order.
 */
import { type Mode } from '@rchan/ring'
import { Relay, RelayFile } from '@rchan/relay'
import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { walkRecords } from '../../../test/records.mjs'
import { bufferOf } from './client.js'
import { Random } from '../../../test/stress/random.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

describe.each(['discard', 'overwrite'] as const)('in %s mode', (mode: Mode) => {
  const GRACE_MS = 10
  let nowMs = 0
  const machine = (identity: number) => ({ identity, log: () => undefined, now: () => nowMs })
  const open = () => {
    const relay = new Relay({ ...machine(1), onlineCpus: () => [0] }, { memoryBytes: 2 ** 16 })
    const channel = relay.open({ mode, subbufSize: 8, subbufCount: 2 })
    const other = bufferOf(Relay.attach(relay.memory, machine(2)).channels[0], 0)
    return { other, file: new RelayFile(bufferOf(channel, 0)) }
  }
  const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)

  //   [1 2 3 4 5 6 7 8] [9 9 9 9 9 9 9 9]   both complete, and in discard mode the next one refused: nothing is open
  test('a full buffer is read, again and again', () => {
    const { other, file } = open()
    for (let round = 0; round < 5; round += 1) {
      other.write(bytes(1, 2, 3, 4, 5, 6, 7, 8))
      other.write(bytes(9, 9, 9, 9, 9, 9, 9, 9))
      const isRefused = !other.write(bytes(7))
      expect(isRefused).toBe(mode === 'discard')
      const read = file.readBytes(100)
      // In overwrite mode the third record has taken the first sub-buffer back.
      const expected =
        mode === 'discard' ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9] : [9, 9, 9, 9, 9, 9, 9, 9]
      expect([...read]).toEqual(expected)
      if (mode === 'overwrite') return
    }
  })

  test('the open sub-buffer is read as far as it has aged', () => {
    const { other, file } = open()
    other.write(bytes(1, 2))
    expect([...file.readBytes(100)]).toEqual([])
    nowMs += GRACE_MS - 1
    other.write(bytes(3))
    expect([...file.readBytes(100)]).toEqual([])
    nowMs += GRACE_MS
    expect([...file.readBytes(100)]).toEqual([1, 2])
    nowMs += GRACE_MS
    expect([...file.readBytes(100)]).toEqual([3])
  })
})

const workers: Worker[] = []
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
})

test.each([
  { subbufSize: 64, subbufCount: 2, maxBytes: 30, count: 6000 },
  { subbufSize: 64, subbufCount: 3, maxBytes: 60, count: 8000 },
  { subbufSize: 100, subbufCount: 5, maxBytes: 60, count: 10_000 },
  { subbufSize: 4096, subbufCount: 4, maxBytes: 40, count: 60_000 },
])(
  `every record is read once and in order, whatever each read asks for (seed ${SEED}), $subbufCount × $subbufSize bytes`,
  async ({ subbufSize, subbufCount, maxBytes, count }) => {
    const relay = new Relay({ identity: 1, log: () => undefined }, { possibleCpus: 1, memoryBytes: 2 ** 20 })
    relay.serveFromEventLoop()
    const channel = relay.open({ subbufSize, subbufCount })
    const started = new Int32Array(new SharedArrayBuffer(4)).fill(1)
    const workerData = {
      memory: relay.memory,
      id: channel.id,
      identity: 2,
      seed: SEED,
      role: 'writer',
      count,
      maxBytes,
      started,
      mayStop: started,
      restEvery: 200,
    }
    const writer = new Worker(new URL('mmap-worker.mjs', import.meta.url), { workerData })
    workers.push(writer)
    await once(writer, 'message')
    let isDone = false
    void once(writer, 'message').then(() => (isDone = true))

    const file = new RelayFile(bufferOf(channel, 0))
    const random = new Random(SEED)
    let next = 0
    let rest = new Uint8Array(0)
    for (;;) {
      const wasDone = isDone
      const part = file.readBytes(random.whole(1, 3 * subbufSize))
      rest = new Uint8Array(Buffer.concat([rest, part]))
      let end = 0
      while (end + 2 <= rest.length && end + rest[end] + 256 * rest[end + 1] <= rest.length)
        end += Math.max(1, rest[end] + 256 * rest[end + 1])
      for (const number of walkRecords(rest, 0, end)) {
        if (number !== next) throw new Error(`record ${number} came where ${next} should`)
        next += 1
      }
      rest = rest.slice(end)
      if (part.length > 0) continue
      if (wasDone) break
      await (random.next() < 0.05 ? setTimeout(random.next() * 3) : setImmediate())
    }
    expect({ records: next, rest: rest.length }).toEqual({ records: count, rest: 0 })
  },
)
