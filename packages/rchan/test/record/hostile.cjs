// Does what a preload must survive.
const { mkdtempSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Worker } = require('node:worker_threads')

process.chdir(mkdtempSync(path.join(tmpdir(), 'elsewhere ')))
process.env = {}
process.argv.length = 0
globalThis.setInterval =
  globalThis.setImmediate =
  globalThis.setTimeout =
    () => {
      throw new Error('no timers')
    }
process.hrtime.bigint = Date.now = performance.now = () => NaN
process.on('warning', (warning) => console.log('warning', warning.message))
console.log(process.listenerCount('SIGTERM'), process.listenerCount('SIGINT'), process.exitCode)
const worker = new Worker('throw new Error("on purpose")', { eval: true })
worker.once('error', ({ message }) => {
  console.log(message, worker.listenerCount('error'))
  process.exit(9)
})
