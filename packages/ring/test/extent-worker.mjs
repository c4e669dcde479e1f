/** An owner that writes `count` records, and counts its calls: begun, returned, refused. */
import { Channel } from '@rchan/ring'
import { workerData } from 'node:worker_threads'

const { memory, counts, count } = workerData
const writer = Channel.attach(memory).writer(0)
const record = new Uint8Array(16)
for (let i = 0; i < count; i += 1) {
  Atomics.add(counts, 0, 1)
  const isWritten = writer.write(record)
  if (!isWritten) Atomics.add(counts, 2, 1)
  Atomics.add(counts, 1, 1)
}
