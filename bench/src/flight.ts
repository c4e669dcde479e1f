/** The suite *flight*: what a snapshot costs the consumer thread, and the threads that trace. */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { startRecording, tracepoint } from 'rchan'
import type { Suite } from './harness.js'

const THREADS = 8
const BUFFER_BYTES = 4 * 2 ** 20
/** More than fill a buffer: a record has 24 bytes. */
const EVENTS = 250_000
/** The two waits of a snapshot for its grace periods. */
const WAITS_MS = 20
const PIECE_BYTES = 256 * 1024
/** Calls of a tracepoint in a round of the writers' part. */
const CALLS = 1_000_000

const writer = `
const { tracepoint } = await import(${JSON.stringify(import.meta.resolve('rchan'))})
const { workerData: words } = await import('node:worker_threads')
const tick = tracepoint('bench:flight', { n: 'u32', a: 'f64' })
for (let n = 0; n < ${EVENTS}; n += 1) tick({ n, a: n })
Atomics.add(words, 0, 1)
Atomics.notify(words, 0)
Atomics.wait(words, 1, 0)
`

async function setUpFlight(): Promise<{
  readonly take: () => Promise<number>
  readonly dir: string
  readonly tearDown: () => Promise<void>
}> {
  const dir = mkdtempSync(join(tmpdir(), 'rchan bench '))
  const recording = await startRecording({
    mode: 'flight',
    dir,
    bufferSize: BUFFER_BYTES,
    snapshots: { max: 2 },
  })
  const words = new Int32Array(new SharedArrayBuffer(8))
  const url = new URL(`data:text/javascript,${encodeURIComponent(writer)}`)
  const workers = Array.from({ length: THREADS }, () => new Worker(url, { workerData: words }))
  while (Atomics.load(words, 0) < THREADS) await new Promise((done) => setTimeout(done, 5))
  return {
    dir,
    take: async () => (await recording.snapshot()).durationMs,
    tearDown: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()))
      await recording.stop()
      rmSync(dir, { recursive: true })
    },
  }
}

const taking: Suite = {
  name: 'flight',
  about:
    `a snapshot of ${THREADS} threads × 4 MiB, without the ${WAITS_MS} ms that it waits (at most 50 ms), beside a bare ` +
    'writeSync of as many bytes, in pieces of 256 KiB from shared memory to as many files',
  rounds: 20,
  warmUpRounds: 3,
  calls: 3,
  async setUp() {
    const { dir, take, tearDown } = await setUpFlight()
    const memory = new Uint8Array(new SharedArrayBuffer(THREADS * BUFFER_BYTES)).fill(1)
    const write = (): number => {
      const start = performance.now()
      for (let thread = 0; thread < THREADS; thread += 1) {
        const fd = openSync(join(dir, 'bare'), 'w')
        const end = (thread + 1) * BUFFER_BYTES
        for (let at = thread * BUFFER_BYTES; at < end; at += PIECE_BYTES)
          writeSync(fd, memory, at, PIECE_BYTES)
        closeSync(fd)
      }
      return performance.now() - start
    }
    const floor = 'write-bare'
    const bytes = THREADS * BUFFER_BYTES
    return {
      tasks: [
        { name: floor, floor, operations: 1, bytes, time: () => Promise.resolve(write()) },
        { name: 'snapshot', floor, operations: 1, bytes, time: async () => (await take()) - WAITS_MS },
      ],
      tearDown,
    }
  },
}

const tick = tracepoint('bench:flight', { n: 'u32', a: 'f64' })

/** Calls the tracepoint. @returns milliseconds. */
function trace(): number {
  const start = performance.now()
  for (let n = 0; n < CALLS; n += 1) tick({ n, a: n })
  return performance.now() - start
}

const writing: Suite = {
  name: 'flight',
  about: `a call of a tracepoint while nobody takes snapshots (the floor), and while snapshots are taken`,
  rounds: 20,
  warmUpRounds: 3,
  calls: 3,
  async setUp() {
    const { take, tearDown } = await setUpFlight()
    const floor = 'trace-alone'
    return {
      tasks: [
        { name: floor, floor, operations: CALLS, time: () => Promise.resolve(trace()) },
        {
          name: 'trace-snapshots',
          floor,
          operations: CALLS,
          async time() {
            const taken = take()
            const time = trace()
            await taken
            return time
          },
        },
      ],
      tearDown,
    }
  },
}

export const flight: readonly Suite[] = [taking, writing]
