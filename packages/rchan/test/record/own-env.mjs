// Workers of this file, two of them with an environment in which no probe is loaded; one of these
// ends at once. And one whose code is a text.
import { Worker, isMainThread, parentPort } from 'node:worker_threads'

if (isMainThread) {
  const file = new URL(import.meta.url)
  const bare = { env: { A: 'b' } }
  const workers = [new Worker(file), new Worker(file, bare), new Worker(file, bare)]
  const text = new Worker('0', { eval: true, ...bare })
  const ended = [...workers, text].map((worker) => new Promise((done) => worker.once('exit', done)))
  for (const worker of workers) {
    worker.on('message', () => undefined)
    worker.postMessage(worker === workers[2] ? 'end' : 'answer')
  }
  await Promise.all(ended)
} else {
  parentPort.once('message', (what) => {
    if (what === 'answer') parentPort.postMessage('here')
    parentPort.close()
  })
}
