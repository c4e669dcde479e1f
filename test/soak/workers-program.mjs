// Workers in sequence, eight at a time, through eight places beside the main thread's. Prints what
// the process holds now and then, and the summary at the end.
// Usage: node --expose-gc workers-program.mjs FOLDER COUNT
import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads'
import { startRecording, tracepoint } from 'rchan'
import { holds } from './flat.mjs'

const PLACES = 8
const EVENTS = 50
/** How many times the process says what it holds. */
const SAMPLES = 50
const step = tracepoint('soak:step', { thread: 'u32', n: 'u32' })

if (isMainThread) {
  const [path, count] = process.argv.slice(2)
  const total = Number(count)
  const words = new Int32Array(new SharedArrayBuffer(4))
  const recording = await startRecording({
    path,
    possibleCpus: PLACES + 1,
    bufferSize: 256 * 1024,
    flushIntervalMs: 20,
  })
  step({ thread: 0, n: 0 })
  let started = 0
  let ended = 0
  const chunk = Math.max(PLACES, Math.ceil(total / SAMPLES))
  for (let until = 0; until < total;) {
    until = Math.min(total, until + chunk)
    const end = until
    // Each place is a line of workers, one after the other.
    const line = async () => {
      while (started < end) {
        const how = ['end', 'exit', 'throw', 'park'][started % 4]
        started += 1
        const worker = new Worker(new URL(import.meta.url), { workerData: { how, words } })
        worker.on('error', () => undefined)
        worker.once('message', () => void worker.terminate())
        await new Promise((resolve) => worker.once('exit', resolve))
        ended += 1
      }
    }
    await Promise.all(Array.from({ length: PLACES }, line))
    process.stdout.write(`${JSON.stringify({ done: ended, sample: await holds() })}\n`)
  }
  const { perCpu: _cpus, ...summary } = await recording.stop()
  const attempts = 1 + Atomics.load(words, 0)
  process.stdout.write(`${JSON.stringify({ ...summary, attempts, ended })}\n`)
} else {
  const { how, words } = workerData
  for (let n = 0; n < EVENTS; n += 1) {
    step({ thread: threadId, n })
    Atomics.add(words, 0, 1)
  }
  if (how === 'exit') process.exit()
  if (how === 'throw') throw new Error('thrown by the soak')
  if (how === 'park') {
    const { parentPort } = await import('node:worker_threads')
    parentPort.on('message', () => undefined)
    parentPort.postMessage('last event traced')
  }
}
