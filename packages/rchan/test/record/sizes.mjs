// Tasks of known sizes, in a pool whose worker never returns to its event loop.
import { Piscina } from 'piscina'
import workerpool from 'workerpool'

const filename = new URL('./sizes-task.mjs', import.meta.url).href
const pool = new Piscina({
  filename,
  minThreads: 1,
  maxThreads: 1,
  resourceLimits: { maxOldGenerationSizeMb: 150, stackSizeMb: 2 },
})
await pool.run(Buffer.alloc(3_000_000))
await pool.run({
  text: 'x'.repeat(1000),
  bytes: new Uint8Array(500),
  n: 7,
  shared: new SharedArrayBuffer(64),
})
await pool.run({ n: 7 })
const moved = new ArrayBuffer(2000)
await pool.run({ deep: { moved } }, { transferList: [moved] })
await pool.run(null)
// For more than two seconds.
for (let count = 0; count < 25; count += 1) await pool.run(100)
await pool.destroy()

process.env.POOL = 'workerpool'
const calls = workerpool.pool(new URL('./calls-pool-worker.cjs', import.meta.url).pathname, {
  maxWorkers: 1,
  workerType: 'thread',
})
await calls.exec('double', [{ text: 'y'.repeat(70) }])
await calls.terminate()
console.log('done')
