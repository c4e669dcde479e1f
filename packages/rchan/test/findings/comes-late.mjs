import { setTimeout as later } from 'node:timers/promises'
import { isMainThread, parentPort } from 'node:worker_threads'
import { spin } from './work.mjs'

await later(150)
if (!isMainThread) parentPort?.on('message', ({ value }) => parentPort.postMessage(spin(value)))
export { spin }
