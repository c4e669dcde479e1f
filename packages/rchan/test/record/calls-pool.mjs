// A pool of two workers and 60 calls of functions by their names. One throws.
// Arguments: the module of the pool, how it is loaded, and `process` for workers in processes.
import { createRequire } from 'node:module'

const [, , name, way = 'import', place = 'thread'] = process.argv
const require = createRequire(import.meta.url)
const found = way === 'require' ? require(name) : await import(name)
const file = require.resolve('./calls-pool-worker.cjs')
// So does the worker know which module it has to load.
process.env.POOL = name

const pools = {
  workerpool() {
    const { pool } = found.default ?? found
    const made = pool(file, { minWorkers: 2, maxWorkers: 2, workerType: place })
    return { submit: (method, n) => made.exec(method, [n]), end: () => made.terminate() }
  },
  'jest-worker'() {
    const { Worker } = found
    const made = new Worker(file, { numWorkers: 2, enableWorkerThreads: place === 'thread' })
    return { submit: (method, n) => made[method](n), end: () => made.end() }
  },
  poolifier() {
    const { FixedThreadPool } = found
    // Its `destroy` waits for workers that it has let go: sometimes for ever.
    const made = new FixedThreadPool(2, file, { enableTasksQueue: true })
    return { submit: (method, n) => made.execute(n, method), end: () => process.exit() }
  },
}
const { submit, end } = pools[name.replace(/\d+$/, '')]()
const results = await Promise.all(
  Array.from({ length: 60 }, (_, n) =>
    submit(n === 7 ? 'fails' : 'double', n).then(
      (result) => result,
      (error) => error.message,
    ),
  ),
)
const sum = results.filter((result) => typeof result === 'number').reduce((a, b) => a + b)
console.log(results.length, sum, results[7])
await end()
