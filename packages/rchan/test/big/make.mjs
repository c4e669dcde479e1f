/**
 * Records a big trace: spans, events with texts, asynchronous spans that stay open for a while, and
 * counters, on two threads. Prints how many events it has.
 *
 * argv: folder, megabytes
 */
import { asyncSpan, counter, span, startRecording, tracepoint } from 'rchan'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

const decode = span('big:decode', { id: 'u32', path: 'interned' })
const done = tracepoint('big:done', { id: 'u32', bytes: 'u64', name: 'string' })
const job = asyncSpan('big:job', { begin: { number: 'u32' }, end: { bytes: 'u32' } })
const queue = counter('big:queue', 'u32')

/** Bytes of the records of one turn, about. */
const TURN_BYTES = 160
/** Turns between two waits, so that the consumer keeps up. */
const BURST = 8192
/** Jobs that are open at the same time. */
const OPEN = 64

async function trace(turns, first) {
  for (let n = 0; n < turns; n += 1) {
    const token = decode.begin()
    job.begin(first + n, { number: n })
    done({ id: n, bytes: n * 100, name: `picture ${n & 15}` })
    queue(n & 255)
    if (n >= OPEN) job.end(first + n - OPEN, { bytes: n })
    decode.end(token, { id: n, path: `/pictures/${n & 63}.jpg` })
    if (n % BURST === 0) await sleep(10)
  }
}

if (isMainThread) {
  const [folder, megabytes] = process.argv.slice(2)
  const turns = Math.ceil((Number(megabytes) * 1e6) / TURN_BYTES / 2)
  const recording = await startRecording({ path: folder, bufferSize: 16 * 2 ** 20 })
  const worker = new Worker(new URL(import.meta.url), { workerData: turns })
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  await trace(turns, 0)
  await ended
  const { events, discarded } = await recording.stop()
  console.log(JSON.stringify({ events, discarded }))
} else await trace(workerData, 2 ** 32)
