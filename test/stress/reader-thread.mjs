/**
 * The reader of a round on a thread of its own. It posts the sums when no writer is left, or what
 * was forbidden.
 */
import { Channel } from '@rchan/ring'
import { Drain } from './drain.mjs'
import { ReaderPace } from './pace.mjs'
import { parentPort, workerData } from 'node:worker_threads'

const { memory, ending, pace, seed } = workerData
const drain = new Drain(Channel.attach(memory), workerData)
const paces = new ReaderPace(pace, seed)
try {
  while (Atomics.load(ending, 0) === 0 || !drain.isDone) paces.turn(drain)
  parentPort.postMessage({ sums: drain.sums() })
} catch (error) {
  parentPort.postMessage({ forbidden: error.message })
}
