// workerpool's own ways: a queue of which the last comes first, cancelled tasks, functions.
import { createRequire } from 'node:module'
import workerpool from 'workerpool'

process.env.POOL = 'workerpool'
const file = createRequire(import.meta.url).resolve('./calls-pool-worker.cjs')
const pool = workerpool.pool(file, {
  maxWorkers: 1,
  workerType: 'thread',
  queueStrategy: 'lifo',
  maxQueueSize: 4,
})
const order = []
const tasks = [0, 1, 2, 3].map((n) => pool.exec('double', [n]).then(() => order.push(n)))
const cancelled = pool.exec('double', [4])
let full = ''
try {
  pool.exec('double', [5])
} catch (error) {
  full = error.message
}
cancelled.cancel()
const why = await cancelled.then(
  () => 'done',
  (error) => (error instanceof workerpool.Promise.CancellationError ? 'cancelled' : error.message),
)
await Promise.all(tasks)
const twice = function twice(n) {
  return n * 2
}
const result = await pool.exec(twice, [21])
console.log(order.join(), why, twice.name, full, result === 42)
await pool.terminate()
