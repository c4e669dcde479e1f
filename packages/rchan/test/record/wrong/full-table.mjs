// A program that declares as many tracepoints as there is room for, before it does anything else.
import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import { tracepoint } from 'rchan'

let count = 0
try {
  for (; ; count += 1) tracepoint(`own:event${count}`, { n: 'u32' })
} catch {
  // No more.
}
performance.mark('start')
performance.measure('measured', 'start')
const { port1, port2 } = new MessageChannel()
port1.postMessage(1)
console.log(...(await once(port2, 'message')))
port1.close()
const worker = new Worker(
  'require("node:worker_threads").parentPort.once("message", (n) => process.exit(n))',
  {
    eval: true,
  },
)
worker.postMessage(7)
console.log(...(await once(worker, 'exit')), count > 1000)
