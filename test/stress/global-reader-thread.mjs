/**
 * The reader of a global buffer on a thread of its own. It posts the sums when no writer is left,
 * or what was forbidden.
 */
import { GlobalBuffer } from '@rchan/ring'
import { ENDED, GlobalDrain } from './global-drain.mjs'
import { ReaderPace } from './pace.mjs'
import { parentPort, workerData } from 'node:worker_threads'

const { memory, ending, pace, seed } = workerData
try {
  const drain = new GlobalDrain(GlobalBuffer.attach(memory), workerData)
  const paces = new ReaderPace(pace, seed)
  while (Atomics.load(ending, 0) !== ENDED) paces.turn(drain)
  parentPort.postMessage({ sums: drain.finish() })
} catch (error) {
  parentPort.postMessage({ forbidden: error.message })
}
