import { workerData } from 'node:worker_threads'
import { spin } from './work.mjs'

// After the event loop has turned: a worker is ready then.
setTimeout(() => spin(workerData), 1)
