// A worker, which is started at the first line. Both say that they run. Where no file descriptor is
// left for the worker's start, Node's error tells which file it was about to open: any will do.
const { isMainThread, Worker } = require('node:worker_threads')

console.log(isMainThread ? 'main' : 'worker')
if (isMainThread) new Worker(__filename).on('error', () => console.log('no worker'))
