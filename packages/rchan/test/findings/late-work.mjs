import { isMainThread } from 'node:worker_threads'
import { sleep, spin } from './work.mjs'

// What its imports take. The thread that has the pool may load the file, too.
if (!isMainThread) sleep(Number(process.env.LOADS_MS))
export { spin }
