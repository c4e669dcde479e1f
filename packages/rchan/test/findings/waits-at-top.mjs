import { parentPort } from 'node:worker_threads'

// A timer keeps the worker alive, and the promise is never fulfilled.
setInterval(() => undefined, 1000)
await new Promise(() => undefined)
parentPort.on('message', (message) => parentPort.postMessage(message))
