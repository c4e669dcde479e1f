// Installs probes again on a thread that has some, by another copy of rchan, and once more after
// they were taken off. Prints how many messages were posted, and how many the trace has of them.
import { createRequire } from 'node:module'
import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { startRecording } from 'rchan'
import { probes } from 'rchan/probes'
import { openTrace } from 'rchan/reader'

const { probes: again } = createRequire(import.meta.url)('rchan/probes')
const [, , path] = process.argv
const recording = await startRecording({ path })
let posted = 0

async function post() {
  const { port1, port2 } = new MessageChannel()
  posted += 1
  port1.postMessage(posted)
  await once(port2, 'message')
  port1.close()
}

const takeOff = probes(['-all', 'messages'])
const takeOffNothing = again(['-all', 'messages', 'gc'])
await post()
takeOffNothing()
await post()
takeOff()
again(['-all', 'messages'])
takeOff()
await post()
await recording.stop()

const seen = [...openTrace(path).records()].filter(({ event }) => event.name === 'message:post')
console.log(posted, seen.length)
process.exit()
