// Ten calls of a function in a worker, by a library that talks by ports. Arguments: which.
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'

const [, , library] = process.argv
const file = new URL('./calls-worker.mjs', import.meta.url)
const results = []
if (library === 'comlink') {
  const { wrap } = await import('comlink')
  const { default: nodeEndpoint } = await import('comlink/dist/umd/node-adapter.js')
  const worker = new Worker(file, { argv: [library] })
  const remote = wrap(nodeEndpoint(worker))
  for (let n = 0; n < 10; n += 1) results.push(await remote.double(n))
  // One more: the worker is ended as soon as its answer is here, maybe before it has told of it.
  await remote.double(0)
  await worker.terminate()
} else if (library === 'threads') {
  const { spawn, Thread, Worker: ThreadWorker } = createRequire(import.meta.url)('threads')
  const thread = await spawn(new ThreadWorker('./calls-threads.cjs'))
  for (let n = 0; n < 10; n += 1) results.push(await thread.double(n))
  await thread.double(0)
  await Thread.terminate(thread)
} else {
  const { createSyncFn } = await import('synckit')
  const double = createSyncFn(file)
  for (let n = 0; n < 10; n += 1) results.push(double(n))
  setImmediate(() => process.exit())
}
console.log(results.join(' '))
