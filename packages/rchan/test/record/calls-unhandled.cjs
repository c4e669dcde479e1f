// A call that fails, and nobody handles it.
const { Worker } = require('jest-worker')

const pool = new Worker(require.resolve('./calls-pool-worker.cjs'), {
  numWorkers: 1,
  enableWorkerThreads: true,
})
console.log(pool.fails(1) instanceof Promise)
