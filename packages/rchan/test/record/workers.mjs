// Two workers, one from a file and one from a text; the main thread hangs for a second meanwhile.
import { Worker } from 'node:worker_threads'

const [, , way] = process.argv
const file = new Worker(new URL('./worker.mjs', import.meta.url), { name: 'allocator', stdout: false })
const text = new Worker('require("node:worker_threads").parentPort.once("message", () => process.exit(7))', {
  eval: true,
})
const exits = Promise.all([file, text].map((worker) => new Promise((done) => worker.once('exit', done))))
await Promise.all([file, text].map((worker) => new Promise((done) => worker.once('online', done))))
if (way === 'hang') {
  const end = performance.now() + 1000
  while (performance.now() < end);
}
text.postMessage('end')
console.log(JSON.stringify(await exits))
console.error('said on stderr')
process.exitCode = 5
