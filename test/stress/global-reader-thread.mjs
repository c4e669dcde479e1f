/**
 * The reader of a global buffer on its own thread. When no writer is left it posts the sums; it
 * posts a forbidden outcome at once.
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
