// Module hooks, for which Node starts a thread of its own, and a worker that answers a message.
import { once } from 'node:events'
import { register } from 'node:module'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

const HOOKS = `export async function resolve(specifier, context, next) {
  if (specifier !== 'virtual:answer') return next(specifier, context)
  return { url: 'data:text/javascript,export default 42', shortCircuit: true }
}`

if (isMainThread) {
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`)
  const { default: answer } = await import('virtual:answer')
  const worker = new Worker(new URL(import.meta.url))
  worker.postMessage(answer)
  console.log(await once(worker, 'message'))
} else {
  parentPort.once('message', (answer) => parentPort.postMessage(answer))
}
