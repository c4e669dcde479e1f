/** How much a buffer was given, as its reader sees it while the owner writes on another thread. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Channel, Reader } from '@rchan/ring'
import { expect, test } from 'vitest'
import { makeSubject, writeNumbers } from './subject.js'

const COUNT = 1_000_000
const SHAPE = { subbufSize: 4096, subbufCount: 4, headerBytes: 0, possibleCpus: 1 }
/** Records that a buffer can hold. */
const ROOM = (SHAPE.subbufSize * SHAPE.subbufCount) / 16

test.each([
  ['discard', false],
  ['discard', true],
  ['overwrite', false],
  ['overwrite', true],
] as const)(
  'every look lies between the calls that had returned before and those begun by then: %s, drained: %s',
  async (mode, drains) => {
    const channel = Channel.create({ ...SHAPE, mode })
    const reader = new Reader(channel.buffer(0))
    const counts = new Int32Array(new SharedArrayBuffer(12))
    const worker = new Worker(new URL('extent-worker.mjs', import.meta.url), {
      workerData: { memory: channel.memory, counts, count: COUNT },
    })
    const failed = new Promise((_, reject) => worker.once('error', reject))
    await Promise.race([once(worker, 'online'), failed])
    let last = { given: 0, oldest: 0 }
    let looks = 0
    const look = (): void => {
      const returned = Atomics.load(counts, 1)
      const extent = reader.extent()
      // Refused ones are counted before the call returns, so these are not too few.
      const refused = Atomics.load(counts, 2)
      const begun = Atomics.load(counts, 0)
      const { given, oldest } = extent
      const isRight =
        given + refused >= returned &&
        given <= begun &&
        oldest <= given &&
        given - oldest <= ROOM &&
        given >= last.given &&
        oldest >= last.oldest
      if (!isRight) throw new Error(JSON.stringify({ extent, last, returned, refused, begun, looks }))
      last = extent
      looks += 1
    }
    while (Atomics.load(counts, 1) < COUNT) {
      for (let i = 0; i < 100; i += 1) look()
      for (let span = drains ? reader.next() : undefined; span !== undefined; span = reader.next())
        reader.delivered(span, span.records)
      // The failure of the owner is an event.
      await Promise.race([new Promise((resolve) => setImmediate(resolve)), failed])
    }
    if (worker.threadId >= 0) await once(worker, 'exit')
    look()
    expect(looks).toBeGreaterThan(1)
    expect(last.given + Atomics.load(counts, 2)).toBe(COUNT)
  },
)

test('what was overwritten is not said to be there, though the reader only passed over it so far', () => {
  const { writer, reader } = makeSubject({ mode: 'overwrite', subbufCount: 3 })
  writeNumbers(writer, 8, 0, 11)
  expect(reader.extent()).toEqual({ given: 11, oldest: 6 })
  // It passes over what is gone, and finds that the sampled part does not come next.
  expect(reader.sample()).toBe(true)
  expect(reader.aged()).toBeUndefined()
  expect(reader.overwritten).toBe(0)
  expect(reader.extent()).toEqual({ given: 11, oldest: 6 })
})
