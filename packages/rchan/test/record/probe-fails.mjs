// Probes fail: while they are installed, or later. The program goes on, with the built-ins of Node.
// Arguments: the folder of the trace; when: `at once` or `later`.
import { channel } from 'node:diagnostics_channel'
import workerThreads from 'node:worker_threads'
import { startRecording, tracepoint } from 'rchan'
import { probes } from 'rchan/probes'

const [, , path, when] = process.argv
const { prototype } = workerThreads.MessagePort
const postMessage = Reflect.get(prototype, 'postMessage')
const recording = await startRecording({ path })

if (when === 'at once') {
  // What no Node does: it hands out messages in an unknown way.
  const dispatch = Symbol.for('nodejs.internal.kHybridDispatch')
  Object.defineProperty(prototype, dispatch, { value: undefined, configurable: true })
  probes()
  delete prototype[dispatch]
} else {
  probes()
  // What no Node tells: a worker that is none.
  for (let count = 0; count < 2; count += 1) channel('worker_threads').publish({})
}
const isBack = prototype.postMessage === postMessage
const { port1, port2 } = new workerThreads.MessageChannel()
port1.postMessage('still here')
const message = await new Promise((done) => port2.once('message', done))
port1.close()
tracepoint('still:here', {})({})
console.log(message, isBack)
await recording.stop()
process.exit()
