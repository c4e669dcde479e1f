// Three calls, of which the second ends its worker. Arguments: the module of the pool.
import { createRequire } from 'node:module'

const [, , name] = process.argv
const file = createRequire(import.meta.url).resolve('./calls-pool-worker.cjs')
process.env.POOL = name
let submit
let end
if (name === 'workerpool') {
  const { default: workerpool } = await import('workerpool')
  const pool = workerpool.pool(file, { maxWorkers: 1, workerType: 'thread' })
  submit = (method, n) => pool.exec(method, [n])
  end = () => pool.terminate()
} else {
  const { Worker } = await import('jest-worker')
  const pool = new Worker(file, { numWorkers: 1, maxRetries: 0, enableWorkerThreads: true })
  submit = (method, n) => pool[method](n)
  end = () => pool.end()
}
await submit('double', 1)
const way = await submit('ends', 0).then(
  () => 'resolved',
  () => 'rejected',
)
console.log(way, await submit('double', 2))
await end()
