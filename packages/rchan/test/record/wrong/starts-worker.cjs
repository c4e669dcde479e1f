// A worker, which is started at the first line. Both say that they run.
const { isMainThread, Worker } = require('node:worker_threads')

console.log(isMainThread ? 'main' : 'worker')
if (isMainThread) new Worker(__filename).on('error', ({ code }) => console.log(code))
