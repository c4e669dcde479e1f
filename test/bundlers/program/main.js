// Records with a worker and reads the trace back.
// Arguments: the folder of the trace, the worker's file.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { startRecording } from 'rchan'
import { openTrace } from 'rchan/reader'
import { step } from './step.js'

async function main() {
  const [path, workerFile] = process.argv.slice(2)
  // One is there before the recording starts, and one comes later.
  const start = () => new Worker(workerFile)
  const early = start()
  await once(early, 'online')
  const recording = await startRecording({ path })
  const late = start()
  for (let n = 0; n < 10; n += 1) step({ n, who: 'main' })
  const ended = [early, late].map((worker) => once(worker, 'exit'))
  early.postMessage('go')
  late.postMessage('go')
  await Promise.all(ended)
  const { events, discarded } = await recording.stop()
  const read = [...openTrace(path).records()].length
  console.log(JSON.stringify({ events, discarded, read }))
}

void main()
