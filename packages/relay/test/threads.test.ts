/**
 * A writer thread at full speed, the reader on this one.
 *
 * Forbidden: a torn record accepted; a record delivered twice, out of order, or never without being counted as
 * overwritten; a number of overwritten records that is not that of the gap; after the death of a writer, a record
 * missing whose write had returned. Allowed: at most one attempt for each killed writer that left no trace.
 */
import { Channel, type Geometry, type Reader, type Span } from '@rchan/relay'
import { afterEach, describe, expect, test } from 'vitest'
import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { walkRecords } from './records.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
/** A writer that is not done by then is stuck, and the test fails instead of hanging. */
const DEADLINE_MS = 30_000
const GRACE_MS = 10

const workers: Worker[] = []
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
})

/** Numbers from 0 to 1, the same ones for a seed. */
function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** What was delivered. The records of a buffer are numbered 0, 1, 2 … over all its writers. */
class Delivery {
  readonly #reader: Reader
  delivered = 0
  next = 0
  #deliveredBefore = 0
  #sampledAtMs = -Infinity

  constructor(reader: Reader) {
    this.#reader = reader
  }

  /** Takes what is complete, and what is not when it has aged. @returns how many spans. */
  poll(): number {
    let spans = 0
    while (this.take(this.#reader.next())) spans += 1
    const now = performance.now()
    if (now - this.#sampledAtMs > GRACE_MS) {
      if (this.take(this.#reader.aged())) spans += 1
      this.#sampledAtMs = this.#reader.sample() ? now : now - GRACE_MS
    }
    return spans
  }

  /** Takes everything of a writer that has stopped. */
  finish(): void {
    while (this.take(this.#reader.next()));
    this.take(this.#reader.newest())
  }

  take(span: Span | undefined): boolean {
    if (span === undefined) return false
    for (const [i, number] of walkRecords(span.bytes, span.from, span.end).entries()) {
      if (i === 0) {
        const lost = this.#reader.overwritten
        if (number !== this.delivered + lost) {
          throw new Error(`record ${number} came after ${this.delivered} delivered and ${lost} overwritten`)
        }
      } else if (number !== this.next) {
        throw new Error(`record ${number} came where ${this.next} should, within a span`)
      }
      this.delivered += 1
      this.next = number + 1
    }
    const records = this.delivered - this.#deliveredBefore
    if (span.complete && span.records !== records) {
      throw new Error(`the span of ${records} records says records=${span.records}`)
    }
    this.#deliveredBefore = this.delivered
    this.#reader.delivered(span, records)
    return true
  }
}

interface Running {
  readonly worker: Worker
  readonly stats: Float64Array
  readonly done: Int32Array
}

function startWriter(
  channel: Channel,
  options: { count: number; firstNumber: number; maxBytes: number; flushEvery: number; seed: number },
): Running {
  const stats = new Float64Array(new SharedArrayBuffer(16))
  const done = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('writer-worker.mjs', import.meta.url), {
    workerData: { memory: channel.memory, stats, done, minBytes: 6, ...options },
  })
  workers.push(worker)
  return { worker, stats, done }
}

/** Until the writer has begun, which needs our event loop on some versions of Node. */
async function begun({ stats, done }: Running): Promise<void> {
  const giveUpAtMs = performance.now() + DEADLINE_MS
  while (stats[1] === 0 && Atomics.load(done, 0) === 0) {
    if (performance.now() > giveUpAtMs) throw new Error('the writer did not begin')
    await setImmediate()
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test.each([
  { geometry: { subbufSize: 64, subbufCount: 1, headerBytes: 0 }, maxBytes: 30, count: 20_000 },
  { geometry: { subbufSize: 64, subbufCount: 3, headerBytes: 8 }, maxBytes: 60, count: 60_000 },
  { geometry: { subbufSize: 4096, subbufCount: 4, headerBytes: 16 }, maxBytes: 40, count: 200_000 },
])(
  `discard mode delivers every record once, in order (seed ${SEED}), $geometry.subbufCount × $geometry.subbufSize bytes`,
  async (shape) => {
    const { geometry, maxBytes, count } = shape
    const channel = Channel.create({ ...geometry, mode: 'discard', possibleCpus: 1 })
    const reader = channel.reader(0)
    const delivery = new Delivery(reader)
    const running = startWriter(channel, { count, firstNumber: 0, maxBytes, flushEvery: 1000, seed: SEED })
    await begun(running)
    const giveUpAtMs = performance.now() + DEADLINE_MS
    while (Atomics.load(running.done, 0) === 0) {
      if (performance.now() > giveUpAtMs) throw new Error(`stuck after ${delivery.delivered} records`)
      if (delivery.poll() === 0) sleep(0.05)
    }
    delivery.finish()
    const { full, tooBig, bad } = channel.buffer(0).discarded()
    expect({ bad, overwritten: reader.overwritten }).toEqual({ bad: 0, overwritten: 0 })
    expect(tooBig > 0).toBe(maxBytes > geometry.subbufSize - geometry.headerBytes)
    expect(delivery.delivered).toBe(count)
    expect(delivery.delivered + full + tooBig).toBe(running.stats[0])
    expect(reader.remaining()).toBe(0)
  },
)

test.each([
  { geometry: { subbufSize: 64, subbufCount: 2, headerBytes: 0 }, maxBytes: 30, count: 400_000 },
  { geometry: { subbufSize: 512, subbufCount: 3, headerBytes: 8 }, maxBytes: 60, count: 400_000 },
  { geometry: { subbufSize: 8192, subbufCount: 4, headerBytes: 16 }, maxBytes: 40, count: 400_000 },
])(
  `overwrite mode delivers no torn record and counts the gaps (seed ${SEED}), $geometry.subbufCount × $geometry.subbufSize bytes`,
  async (shape) => {
    const { geometry, maxBytes, count } = shape
    const channel = Channel.create({ ...geometry, mode: 'overwrite', possibleCpus: 1 })
    const reader = channel.reader(0)
    const delivery = new Delivery(reader)
    const random = makeRandom(SEED)
    const running = startWriter(channel, { count, firstNumber: 0, maxBytes, flushEvery: 1000, seed: SEED })
    await begun(running)
    const giveUpAtMs = performance.now() + DEADLINE_MS
    while (Atomics.load(running.done, 0) === 0) {
      if (performance.now() > giveUpAtMs) throw new Error(`stuck after ${delivery.delivered} records`)
      delivery.poll()
      if (random() < 0.02) sleep(random() * 0.5)
    }
    delivery.finish()
    expect(channel.buffer(0).discarded()).toEqual({ full: 0, tooBig: 0, bad: 0 })
    expect(running.stats[0]).toBe(count)
    expect(delivery.next).toBe(count)
    expect(delivery.delivered + reader.overwritten).toBe(count)
    expect(reader.overwritten).toBeGreaterThan(0)
    expect(reader.remaining()).toBe(0)
  },
)

describe.each([
  { subbufSize: 64, subbufCount: 2, mode: 'overwrite', headerBytes: 0 },
  { subbufSize: 64, subbufCount: 3, mode: 'discard', headerBytes: 8 },
  { subbufSize: 1024, subbufCount: 4, mode: 'overwrite', headerBytes: 8 },
] satisfies Geometry[])('$mode mode, $subbufCount sub-buffers of $subbufSize bytes', (geometry) => {
  const rounds = 18
  test(`a writer killed at any moment loses nothing that it had written, and the next one takes over (seed ${SEED})`, async () => {
    const channel = Channel.create({ ...geometry, possibleCpus: 1 })
    const buffer = channel.buffer(0)
    const reader = channel.reader(0)
    const delivery = new Delivery(reader)
    const random = makeRandom(SEED ^ geometry.subbufSize)
    let attempted = 0
    let torn = 0
    let before = 0
    for (let round = 0; round < rounds; round += 1) {
      const running = startWriter(channel, {
        count: Infinity,
        firstNumber: delivery.next,
        maxBytes: 30,
        flushEvery: 50,
        seed: SEED + round,
      })
      // Now and then killed while it starts, else a few milliseconds after its first record.
      if (random() < 0.2) await setTimeout(random() * 60)
      else await begun(running)
      const killAtMs = performance.now() + random() * 5
      const drains = random() < 0.8
      while (performance.now() < killAtMs) {
        if (drains) delivery.poll()
        if (random() < 0.1) await setImmediate()
      }
      const exited = once(running.worker, 'exit')
      void running.worker.terminate()
      const polls = drains ? random() * 10 : 0
      for (let poll = 1; poll < polls; poll += 1) delivery.poll()
      await exited

      delivery.finish()
      const tornNow = reader.retire()
      torn += tornNow
      attempted += running.stats[0]
      expect(tornNow).toBeLessThanOrEqual(1)
      // The last write may have ended between its end and its return.
      const total = delivery.delivered + reader.overwritten
      const leftover = total - before - running.stats[1]
      expect(leftover === 0 || leftover === 1, `round ${round}: ${leftover} more than were accepted`).toBe(
        true,
      )
      expect(delivery.next).toBe(total)
      before = total
    }
    const { full, tooBig, bad } = buffer.discarded()
    const traceless = attempted - (delivery.delivered + reader.overwritten + torn + full + tooBig + bad)
    expect(traceless).toBeGreaterThanOrEqual(0)
    expect(traceless).toBeLessThanOrEqual(rounds)
    expect(reader.remaining()).toBe(0)

    const last = startWriter(channel, {
      count: 1000,
      firstNumber: delivery.next,
      maxBytes: 30,
      flushEvery: 50,
      seed: SEED,
    })
    await begun(last)
    const giveUpAtMs = performance.now() + DEADLINE_MS
    while (Atomics.load(last.done, 0) === 0) {
      if (performance.now() > giveUpAtMs) throw new Error('the last writer is stuck')
      delivery.poll()
    }
    delivery.finish()
    expect(delivery.next).toBe(before + 1000)
    expect(delivery.delivered + reader.overwritten).toBe(before + 1000)
  })
})
