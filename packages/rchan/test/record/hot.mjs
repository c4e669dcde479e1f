// Functions that are known to be hot: on the main thread, in a pool's tasks, in a worker that never
// returns to its loop. node hot.mjs [exit | listens]
import { Session } from 'node:inspector'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { Piscina } from 'piscina'

/** Computes for so long, not counting the time in which it has no CPU. */
function until(ms) {
  const start = process.cpuUsage()
  let sum = 0
  while (process.cpuUsage(start).user < ms * 1000) for (let i = 0; i < 300_000; i += 1) sum += Math.sqrt(i)
  return sum
}

function hotInMain() {
  return until(300)
}

function hotInWorker() {
  for (let turn = 0; turn < 40; turn += 1) {
    until(20)
    parentPort.postMessage(turn)
  }
  // It is terminated in here.
  for (;;) until(1000)
}

if (!isMainThread) {
  hotInWorker()
} else if (process.argv[2] === 'exit') {
  hotInMain()
  process.exit()
} else if (process.argv[2] === 'listens') {
  const session = new Session()
  session.connect()
  let count = 0
  session.on('Profiler.consoleProfileFinished', () => (count += 1))
  await new Promise((done) => session.post('Profiler.enable', done))
  hotInMain()
  await new Promise((done) => setTimeout(done, 600))
  console.log(count)
} else {
  const file = new URL('./hot-task.mjs', import.meta.url).href
  const pool = new Piscina({ filename: file, minThreads: 1, maxThreads: 1 })
  const results = await Promise.all([
    ...Array.from({ length: 8 }, () => pool.run(60)),
    ...Array.from({ length: 8 }, () => pool.run(60, { name: 'other' })),
  ])
  await pool.destroy()
  hotInMain()
  const worker = new Worker(new URL(import.meta.url))
  await new Promise((done) => worker.on('message', (turn) => turn === 39 && done()))
  await worker.terminate()
  console.log(results.length)
}
