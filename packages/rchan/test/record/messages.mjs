// Messages by all ways: Worker and parentPort, channels whose ports are posted once and twice, a
// port in workerData, receiveMessageOnPort, a message that can't be posted, one whose listener
// throws. It prints what came where.
import { once } from 'node:events'
import {
  BroadcastChannel,
  isMainThread,
  MessageChannel,
  parentPort,
  receiveMessageOnPort,
  Worker,
  workerData,
} from 'node:worker_threads'

if (isMainThread) await main()
else work()

async function main() {
  const data = new MessageChannel()
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { name: 'first', port: data.port2 },
    transferList: [data.port2],
  })
  const second = new Worker(new URL(import.meta.url), { workerData: { name: 'second' } })
  await Promise.all([once(worker, 'message'), once(second, 'message')])
  // Both ends leave this thread; one message is posted before.
  const both = new MessageChannel()
  both.port1.postMessage('early')
  try {
    worker.postMessage({ never: () => 1, port: both.port1 }, [both.port1])
  } catch {
    worker.postMessage({ text: 'relay', port: both.port1 }, { transfer: [both.port1] })
  }
  second.postMessage({ text: 'relay', port: both.port2 }, [both.port2])
  const [answer] = await once(second, 'message')
  // One end stays.
  const { port1, port2 } = new MessageChannel()
  worker.postMessage({ text: 'echo', port: port2 }, [port2])
  const echoes = []
  for (let n = 0; n < 5; n += 1) {
    port1.postMessage(n)
    echoes.push((await once(port1, 'message'))[0])
  }
  // In this thread alone.
  const local = new MessageChannel()
  local.port1.postMessage('taken')
  const { message } = receiveMessageOnPort(local.port2)
  const broadcast = new BroadcastChannel('all')
  broadcast.postMessage('to all')
  broadcast.close()
  data.port1.postMessage('by data')
  const [byData] = await once(data.port1, 'message')
  port1.close()
  data.port1.close()
  // They end by themselves, so that each listener has returned.
  const ends = [once(worker, 'exit'), once(second, 'exit')]
  for (const each of [worker, second]) each.postMessage({ text: 'end' })
  await Promise.all(ends)
  console.log(JSON.stringify({ answer, echoes, message, byData }))
}

function work() {
  const ports = [parentPort]
  parentPort.on('message', ({ text, port }) => {
    if (port !== undefined) ports.push(port)
    if (text === 'end') setImmediate(() => ports.forEach((each) => each.close()))
    else if (text === 'echo') port.on('message', (value) => port.postMessage(value * 2))
    else if (workerData.name === 'first') port.postMessage('relayed')
    else {
      const came = []
      port.on('message', (value) => {
        if (came.push(value) === 2) parentPort.postMessage(came)
      })
    }
  })
  workerData.port?.on('message', (text) => workerData.port.postMessage(`${text}, and back`))
  parentPort.postMessage('ready')
}
