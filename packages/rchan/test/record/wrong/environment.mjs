// Starts a worker and a child, which tell of their options, in its own way. Arguments: which way.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, SHARE_ENV, Worker } from 'node:worker_threads'

const [, , way, folder] = process.argv
const file = fileURLToPath(import.meta.url)
const own = () =>
  // Without what a recording puts there.
  [...process.execArgv, process.env.NODE_OPTIONS ?? '']
    .filter((text) => text !== '' && !text.includes('auto.js'))
    .join(' ')

async function startWorker(options) {
  const worker = new Worker(file, { argv: ['worker'], ...options })
  const [said] = await Promise.all([
    new Promise((done) => worker.once('message', done)),
    new Promise((done) => worker.once('exit', done)),
  ])
  console.log('worker', said)
}

async function startChild(options) {
  const child = fork(file, ['child'], options)
  await new Promise((done) => child.once('exit', done))
}

const ways = {
  async replaced() {
    process.env = { PATH: process.env.PATH }
    await startWorker()
    await startChild()
  },
  async options() {
    process.env.NODE_OPTIONS = '--no-warnings'
    await startChild()
  },
  async execArgv() {
    await startWorker({ execArgv: ['--no-warnings'] })
    await startWorker({ execArgv: [], env: SHARE_ENV })
    await startChild({ execArgv: ['--no-warnings'] })
  },
  async folder() {
    process.chdir(folder)
    await startChild()
  },
}

if (!isMainThread) parentPort.postMessage(own())
else if (way === 'child') console.log('child', own())
else await ways[way]()
