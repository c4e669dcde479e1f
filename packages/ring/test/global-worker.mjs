/**
 * A thread that writes self-checking records into a global buffer as fast as it can. Its record
 * number goes up with each attempt.
 *
 * Only this thread stores `stats`, plainly, and the test reads them when it has stopped: [0]
 * attempts, stored before each; [1] attempts that returned; [2] records accepted. The thread goes
 * on until `stop` is 1.
 */
import { GlobalBuffer, GlobalWriter } from '@rchan/ring'
import { fillGlobal, MIN_GLOBAL_BYTES } from '../../../test/global-records.mjs'
import { workerData } from 'node:worker_threads'

const { memory, stats, stop, identity, maxBytes, flushEvery, pauseEvery, seed } = workerData
const records = []
for (let length = MIN_GLOBAL_BYTES; length <= maxBytes; length += 1) records[length] = new Uint8Array(length)

const { hrtime } = process
const times = new BigInt64Array(1)
const writer = new GlobalWriter(GlobalBuffer.attach(memory), identity, {
  clock() {
    times[0] = hrtime.bigint()
  },
  subbufStart(view, start) {
    view.u8[start] = 0xee
  },
})
const pause = new Int32Array(new SharedArrayBuffer(4))

let random = seed
while (Atomics.load(stop, 0) === 0) {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0
  const length = MIN_GLOBAL_BYTES + ((random >>> 8) % (maxBytes - MIN_GLOBAL_BYTES + 1))
  const number = stats[0]
  stats[0] += 1
  const at = writer.reserve(length)
  if (at >= 0) {
    writer.view.u8.set(fillGlobal(records[length], identity, number, Number(times[0])), at)
    // Half of them by a loop, in which a thread can be terminated.
    if (random % 2 === 0) for (let i = 0; i < length; i += 1) writer.view.u8[at + i] = records[length][i]
    writer.commit(at, length)
    stats[2] += 1
  }
  stats[1] += 1
  if (random % flushEvery === 0) writer.flush()
  if (random % pauseEvery === 1) Atomics.wait(pause, 0, 0, 1)
}
writer.detach()
