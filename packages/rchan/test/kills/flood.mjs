// Two threads at full speed until the process is killed. Says "recording" when both trace.
// Usage: flood.mjs FOLDER OPTIONS
import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { startRecording, tracepoint } from 'rchan'

const step = tracepoint('flood:step', { thread: 'u32', step: 'u32', value: 'f64' })
const text = tracepoint('flood:text', { thread: 'u32', step: 'u32', text: 'string' })

function flood(thread) {
  for (let i = 0; ; i += 1) {
    if (i % 8 === 7) text({ thread, step: i, text: 'x'.repeat(i % 100) })
    else step({ thread, step: i, value: i / 3 })
    if (i === 1000 && thread === 0) writeSync(1, 'recording\n')
  }
}

if (isMainThread) {
  const [path, options] = process.argv.slice(2)
  await startRecording({ path, ...JSON.parse(options) })
  const started = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL(import.meta.url), { workerData: started })
  worker.unref()
  Atomics.wait(started, 0, 0)
  flood(0)
} else {
  Atomics.store(workerData, 0, 1)
  Atomics.notify(workerData, 0)
  flood(1)
}
