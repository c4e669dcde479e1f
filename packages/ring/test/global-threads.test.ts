/**
 * Three threads write one global buffer at full speed, and this thread reads it. Writers are
 * terminated in mid-flight.
 *
 * Forbidden: a torn record delivered; a record delivered twice; a thread's records out of order; a
 * time less than the previous record's, of any thread; an attempt that returned and is neither
 * delivered, overwritten nor counted as refused; more torn records than deaths; a lost attempt,
 * except one for each death; in discard mode a record overwritten; writers or the reader that don't
 * go on after a death; a slot that is not freed.
 */
import { GlobalBuffer, GlobalReader, type GlobalGeometry, type GlobalSpan } from '@rchan/ring'
import { afterEach, describe, expect, test } from 'vitest'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { walkGlobal } from '../../../test/global-records.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
/** Deaths for each geometry. More of them: RCHAN_ROUNDS. */
const ROUNDS = Number(process.env.RCHAN_ROUNDS ?? 8)
/** A thread that is not done by then is stuck, and the test fails instead of hanging. */
const DEADLINE_MS = 20_000

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

interface Running {
  readonly worker: Worker
  readonly identity: number
  readonly stats: Float64Array
  readonly exited: Promise<unknown>
}

class Run {
  readonly buffer: GlobalBuffer
  readonly reader: GlobalReader
  readonly random = makeRandom(SEED)
  readonly stop = new Int32Array(new SharedArrayBuffer(4))
  readonly all: Running[] = []
  running: Running[] = []
  readonly dead = new Set<number>()
  delivered = 0
  /** Records of each writer, by identity. */
  readonly perWriter = new Map<number, number>()
  readonly #last = new Map<number, number>()
  #time = 0

  constructor(geometry: GlobalGeometry) {
    this.buffer = GlobalBuffer.create(geometry)
    this.reader = new GlobalReader(this.buffer)
  }

  start(): void {
    const identity = this.all.length + 1
    const stats = new Float64Array(new SharedArrayBuffer(24))
    const worker = new Worker(new URL('./global-worker.mjs', import.meta.url), {
      workerData: {
        memory: this.buffer.memory,
        stats,
        stop: this.stop,
        identity,
        maxBytes: 16 + Math.floor(this.random() * 30),
        flushEvery: 50 + Math.floor(this.random() * 5000),
        pauseEvery: 20 + Math.floor(this.random() * 20_000),
        seed: SEED + identity,
      },
    })
    workers.push(worker)
    worker.on('error', (error) => {
      throw error
    })
    const one = { worker, identity, stats, exited: once(worker, 'exit') }
    this.all.push(one)
    this.running.push(one)
  }

  async kill(): Promise<void> {
    const [one] = this.running.splice(Math.floor(this.random() * this.running.length), 1)
    void one.worker.terminate()
    while (this.random() < 0.7) this.poll()
    await one.exited
    this.dead.add(one.identity)
  }

  poll(): void {
    while (this.#take(this.reader.next()));
    this.#take(this.reader.newest())
  }

  /** Goes on until `ready`, which must come. */
  async until(what: string, ready: () => boolean, drains = true): Promise<void> {
    const giveUpAtMs = performance.now() + DEADLINE_MS
    while (!ready()) {
      if (performance.now() > giveUpAtMs) throw new Error(`stuck: ${what}`)
      if (drains) this.poll()
      this.reader.recover((identity) => this.dead.has(identity))
      await setImmediate()
    }
  }

  #take(span: GlobalSpan | undefined): boolean {
    if (span === undefined) return false
    const records = walkGlobal(span, this.buffer.geometry.unitBytes)
    for (const { writer, number, time } of records) {
      const last = this.#last.get(writer) ?? -1
      if (number <= last) throw new Error(`record ${number} of writer ${writer} came after ${last}`)
      if (time < this.#time) throw new Error(`time ${time} came after ${this.#time}`)
      this.#last.set(writer, number)
      this.#time = time
      this.perWriter.set(writer, (this.perWriter.get(writer) ?? 0) + 1)
    }
    if (span.headed && span.bytes[0] !== 0xee && this.buffer.geometry.headerBytes > 0) {
      throw new Error('torn: the header was not filled')
    }
    this.delivered += records.length
    this.reader.delivered(span, records.length)
    return true
  }
}

const GEOMETRIES: [string, GlobalGeometry][] = [
  [
    'discard mode, 3 × 4 KiB',
    { subbufSize: 4096, subbufCount: 3, mode: 'discard', headerBytes: 16, unitBytes: 8, maxWriters: 6 },
  ],
  [
    'overwrite mode, 4 × 512 bytes',
    { subbufSize: 512, subbufCount: 4, mode: 'overwrite', headerBytes: 0, unitBytes: 1, maxWriters: 6 },
  ],
  [
    'overwrite mode, 3 × 64 KiB',
    { subbufSize: 65536, subbufCount: 3, mode: 'overwrite', headerBytes: 8, unitBytes: 8, maxWriters: 6 },
  ],
]

describe.each(GEOMETRIES)('%s:', (_, geometry) => {
  test(`threads write, one after another is terminated, and everything adds up (seed ${SEED})`, async () => {
    const run = new Run(geometry)
    for (let i = 0; i < 3; i += 1) run.start()
    for (let round = 0; round < ROUNDS; round += 1) {
      // Now and then one is killed while another starts.
      const eager = run.random() < 0.3
      await run.until('a thread does not start to write', () =>
        run.running.every(({ stats }, i) => stats[1] > 0 || (eager && i === run.running.length - 1)),
      )
      const killAtMs = performance.now() + run.random() * 8
      const drains = run.random() < 0.8
      await run.until('time', () => performance.now() > killAtMs, drains)
      await run.kill()
      // The others go on, and so does the delivery.
      const before = run.running.map(({ stats }) => stats[2])
      const delivered = run.delivered
      await run.until('the others do not go on', () =>
        run.running.every(({ stats }, i) => stats[2] > before[i] || stats[1] === 0),
      )
      await run.until('nothing is delivered', () => run.delivered > delivered)
      run.start()
    }
    Atomics.store(run.stop, 0, 1)
    await run.until('a thread does not stop', () => run.running.every(({ worker }) => worker.threadId < 0))
    run.reader.flush()
    await run.until('something is left', () => run.reader.remaining() === 0)
    run.poll()

    const sum = (index: number): number => run.all.reduce((total, { stats }) => total + stats[index], 0)
    const { full, tooBig, bad } = run.buffer.discarded()
    const { overwritten, torn } = run.reader
    const sums = { attempted: sum(0), returned: sum(1), accepted: sum(2), delivered: run.delivered }
    const accounted = run.delivered + overwritten + torn + full + tooBig + bad
    const message = JSON.stringify({ ...sums, overwritten, torn, full, tooBig, bad })
    expect(accounted, message).toBeLessThanOrEqual(sums.attempted)
    expect(accounted, message).toBeGreaterThanOrEqual(sums.attempted - ROUNDS)
    expect(accounted, message).toBeGreaterThanOrEqual(sums.returned)
    expect(run.delivered + overwritten, message).toBeGreaterThanOrEqual(sums.accepted)
    expect(torn, message).toBeLessThanOrEqual(ROUNDS)
    expect(tooBig + bad).toBe(0)
    if (geometry.mode === 'discard') {
      expect(overwritten).toBe(0)
      for (const { identity, stats } of run.all) {
        expect(run.perWriter.get(identity) ?? 0, message).toBeGreaterThanOrEqual(stats[2])
      }
    }
    // All slots can be had again.
    run.reader.flush()
    run.poll()
    expect(run.reader.recover(() => true)).toBe(false)
  })
})
