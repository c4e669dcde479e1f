/** A worker: comes online as its CPU, and writes records until it is retired. */
import { parentPort, workerData } from 'node:worker_threads'
import { Relay, threadMachine } from 'rchan/relay'
import { COUNT, countsOf } from './counts.js'

/** What a worker is given. */
export interface Order {
  readonly relay: SharedArrayBuffer
  readonly channel: number
  readonly counts: SharedArrayBuffer
  readonly cpu: number
  readonly recordBytes: number
  /** Records a second; 0: as many as it can. */
  readonly rate: number
}

/** Records between two looks at whether it is retired. */
const BATCH = 256

const { relay: memory, channel: id, counts, cpu, recordBytes, rate } = workerData as Order
const words = countsOf(counts, cpu)
const relay = Relay.attach(memory, threadMachine())
relay.comeOnline(cpu)
const channel = relay.channel(id)
if (channel === undefined) throw new Error(`channel=${id} is not open`)

const record = new Uint8Array(recordBytes).fill(cpu + 1)
const quiet = new Int32Array(new SharedArrayBuffer(4))
const startedAt = performance.now()
let written = 0
parentPort?.postMessage('online')
do {
  const due = rate === 0 ? BATCH : Math.ceil(((performance.now() - startedAt) * rate) / 1000) - written
  for (let left = due; left > 0; left -= 1) channel.write(cpu, record)
  written += Math.max(0, due)
  Atomics.add(words, COUNT.attempted, BigInt(Math.max(0, due)))
  if (rate > 0) Atomics.wait(quiet, 0, 0, 1)
} while (Atomics.load(words, COUNT.retire) === 0n)
relay.leave()
