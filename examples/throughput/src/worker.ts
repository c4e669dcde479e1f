/** A worker: joins the runtime as a CPU, and writes records until it is retired. */
import { workerData } from 'node:worker_threads'
import { joinRuntime } from 'rchan/runtime'
import { COUNT, countsOf } from './counts.js'

/** What a worker is given. */
export interface Order {
  readonly counts: SharedArrayBuffer
  readonly recordBytes: number
  /** Records a second; 0: as many as it can. */
  readonly rate: number
}

/** Records between two looks at whether it is retired. */
const BATCH = 256

const { counts, recordBytes, rate } = workerData as Order
const runtime = joinRuntime()
const channel = runtime.channel('records')
const words = countsOf(counts, runtime.cpu)

const record = new Uint8Array(recordBytes).fill(runtime.cpu)
const quiet = new Int32Array(new SharedArrayBuffer(4))
const startedAt = performance.now()
let written = 0
do {
  const due = rate === 0 ? BATCH : Math.ceil(((performance.now() - startedAt) * rate) / 1000) - written
  for (let left = due; left > 0; left -= 1) channel.write(record)
  written += Math.max(0, due)
  Atomics.add(words, COUNT.attempted, BigInt(Math.max(0, due)))
  if (rate > 0) Atomics.wait(quiet, 0, 0, 1)
} while (!runtime.isAskedToRetire)
runtime.leave()
