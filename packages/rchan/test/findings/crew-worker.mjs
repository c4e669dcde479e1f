import { parentPort } from 'node:worker_threads'
import * as work from './work.mjs'

parentPort.on('message', async ({ name, value }) => {
  parentPort.postMessage(await work[name](value))
})
