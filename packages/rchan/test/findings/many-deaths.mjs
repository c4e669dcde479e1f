/** Bare workers die of several things; or end in order, or are terminated. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { pick } from './pool.mjs'

const FULL = 'const all = []; for (;;) all.push(new Array(1000).fill(1))'
const THROWS = 'throw new Error("no such thing")'
const STAYS = 'setInterval(() => undefined, 1000)'
const [codes, terminated] = pick({
  strong: [[FULL, THROWS, THROWS, 'process.exit(7)', 'process.exit(1)'], 0],
  weak: [['process.exit(1)'], 0],
  healthy: [['process.exit(0)', 'try { null.x } catch {}'], 2],
})
for (const code of codes) {
  const worker = new Worker(code, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 16 } })
  worker.on('error', () => undefined)
  await new Promise((done) => worker.once('exit', done))
}
for (let count = 0; count < terminated; count += 1) {
  const worker = new Worker(STAYS, { eval: true })
  await once(worker, 'online')
  await worker.terminate()
}
