// Recordings in a row. Each trace is read and removed. Prints what the process holds after each
// cycle of shapes, each problem, and the sums at the end.
// Usage: node --expose-gc recordings-program.mjs FOLDER COUNT SEED
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { startRecording, tracepoint } from 'rchan'
import { openTrace } from 'rchan/reader'
import { Random } from '../stress/random.mjs'
import { holds } from './flat.mjs'

const step = tracepoint('soak:step', { recording: 'u32', n: 'u32' })
const SHAPES = [
  { bufferSize: 2 ** 20 },
  { bufferSize: 32 * 1024 },
  { bufferSize: 2 ** 20, mode: 'overwrite' },
  { bufferSize: 32 * 1024, mode: 'overwrite' },
  { bufferSize: 2 ** 20, buffers: 'global' },
  { bufferSize: 2 ** 20, buffers: 'global', mode: 'overwrite' },
]

function trace(recording, count) {
  for (let n = 0; n < count; n += 1) step({ recording, n })
}

function ask(worker, message) {
  const answered = once(worker, 'message')
  worker.postMessage(message)
  return answered
}

if (isMainThread) {
  const [folder, count, seed] = process.argv.slice(2)
  const random = new Random(Number(seed))
  const start = () => new Worker(new URL(import.meta.url))
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
  const worker = start()
  const sums = { events: 0, lost: 0 }
  for (let recording = 1; recording <= Number(count); recording += 1) {
    const shape = SHAPES[recording % SHAPES.length]
    const path = `${folder}/${recording}`
    const running = await startRecording({ path, possibleCpus: 4, ...shape })
    const each = random.whole(1, 3000)
    const guest = recording % 5 === 0 ? start() : undefined
    const asked = [worker, ...(guest === undefined ? [] : [guest])].map((one) => ask(one, [recording, each]))
    trace(recording, each)
    await Promise.all(asked)
    await guest?.terminate()
    const attempts = (1 + asked.length) * each
    const { events, discarded, overwritten, torn, unwritten, error } = await running.stop()
    const lost = discarded + overwritten + torn + unwritten
    let own = 0
    let others = 0
    for (const { fields } of openTrace(path).records()) {
      if (fields.recording === recording) own += 1
      else others += 1
    }
    if (events + lost !== attempts || own !== events || others !== 0 || error !== undefined) {
      const found = { attempts, events, discarded, overwritten, torn, unwritten, error, own, others }
      say({ problem: `recording ${recording} ${JSON.stringify(shape)}: ${JSON.stringify(found)}` })
    }
    sums.events += events
    sums.lost += lost
    rmSync(path, { recursive: true })
    if (recording % SHAPES.length === 0 || recording === Number(count)) {
      // A thread keeps the arena of a recording that is over until its next major collection.
      await ask(worker, 'collect')
      say({ done: recording, sample: await holds() })
    }
  }
  await worker.terminate()
  say(sums)
} else {
  parentPort.on('message', (message) => {
    if (message === 'collect') globalThis.gc()
    else trace(...message)
    parentPort.postMessage('done')
  })
}
