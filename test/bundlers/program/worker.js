import { parentPort } from 'node:worker_threads'
import { step } from './step.js'

parentPort.once('message', () => {
  for (let n = 0; n < 10; n += 1) step({ n, who: 'worker' })
})
