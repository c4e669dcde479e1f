// The same as pool.mjs, as CommonJS, in a class of its own, and on a worker thread.
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { Worker, isMainThread } = require('node:worker_threads')
const [, , name] = process.argv

if (isMainThread) {
  const worker = new Worker(__filename, { argv: [name] })
  worker.on('error', (error) => {
    throw error
  })
} else {
  const found = require(name)
  const Pool = found.Piscina ?? found.default ?? found
  class Ours extends Pool {}
  const pool = new Ours({
    filename: pathToFileURL(path.join(__dirname, 'pool-task.mjs')).href,
    maxThreads: 2,
  })
  const tasks = Array.from({ length: 20 }, (_, n) => pool.run({ n }, { name: 'quick' }))
  void Promise.all(tasks).then(async (results) => {
    console.log(results.length, pool.completed)
    await pool.destroy()
  })
}
