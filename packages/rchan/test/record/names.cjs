// Workers that are called after their file; one names itself, by the rchan that records it.
// Argument: the file of rchan.
const { Worker, isMainThread, workerData } = require('node:worker_threads')

if (isMainThread) {
  const [, , rchan] = process.argv
  const workers = [false, true].map((named) => new Worker(__filename, { workerData: { named, rchan } }))
  workers.push(new Worker('setTimeout(() => {}, 50)', { eval: true }))
} else {
  if (workerData.named) require(workerData.rchan).nameThread('decoder')
  setTimeout(() => {}, 50)
}
