/**
 * A CPU: a worker thread that does the work, and records it in its buffer of the channel.
 *
 * It comes online as a CPU: then it gets its buffer, and the file thread makes the file. It works
 * until it is told to stop, and posts its ledger. It also counts its records in shared memory, so
 * the count survives if the thread is terminated.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Relay, threadMachine } from 'rchan/relay'
import { workload } from './workload.js'

/** The input of the thread. Each array is one element of shared memory. */
export interface CpuTask {
  /** The memory of the relay, and the channel in it. */
  readonly relay: SharedArrayBuffer
  readonly channel: number
  readonly cpu: number
  readonly seed: number
  readonly wallNs?: bigint
  /** Records that the channel accepted. The CPU stores it, after each. */
  readonly written: Int32Array<SharedArrayBuffer>
  /** Records that it refused. The CPU stores it, after each. */
  readonly refused: Int32Array<SharedArrayBuffer>
  /** 1: stop after this batch. The main thread stores it. */
  readonly stop: Int32Array<SharedArrayBuffer>
}

/**
 * How long the device takes for a batch, in milliseconds. Without this rest almost all records
 * would be lost.
 */
const REST_MS = 0.2

const { relay: memory, channel, cpu, seed, wallNs, written, refused, stop } = workerData as CpuTask
const relay = Relay.attach(memory, threadMachine())
relay.comeOnline(cpu)
const buffer = relay.channel(channel)?.buffer(cpu)
if (buffer === undefined) throw new Error(`cpu=${cpu} got no buffer`)

const write = (record: Uint8Array): boolean => {
  const accepted = buffer.write(record)
  Atomics.add(accepted ? written : refused, 0, 1)
  return accepted
}
const now = (): bigint => process.hrtime.bigint()
const steps = workload(write, cpu, { batches: Infinity, seed, now, ...(wallNs !== undefined && { wallNs }) })
let step = steps.next()
while (step.done !== true) step = steps.next(Atomics.wait(stop, 0, 0, REST_MS) !== 'timed-out')
relay.leave()
parentPort?.postMessage(step.value)
