import { parentPort } from 'node:worker_threads'
import { garbage, measure, sleep, spin } from './work.mjs'

const works = { garbage, measure, sleep, spin }
parentPort.on('message', async ({ name, value }) => {
  parentPort.postMessage(await works[name](value))
})
