/**
 * The reader of a round on its own thread. When no writer is left it posts the sums; it posts a
 * forbidden outcome at once.
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
