// Closes what a process is born with, and works on.
const { Worker } = require('node:worker_threads')

process.stdin.destroy()
process.stdout.destroy()
process.stderr.end()
const worker = new Worker('', { eval: true })
worker.once('exit', () => {
  process.exitCode = 6
})
