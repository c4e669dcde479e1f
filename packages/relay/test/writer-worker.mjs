/**
 * A thread that writes self-checking records as fast as it can. Its record number goes up with each one accepted.
 *
 * `stats`, which only this thread stores, plainly, and which are read when it has stopped: [0] attempts, stored before
 * each; [1] records accepted, stored after each. `done` becomes 1 when `count` were accepted.
 */
import { Channel } from '@rchan/relay'
import { fillRecord } from './records.mjs'
import { workerData } from 'node:worker_threads'

const { memory, stats, done, count, firstNumber, minBytes, maxBytes, flushEvery, seed } = workerData
const writer = Channel.attach(memory).writer(0)
const records = []
for (let length = minBytes; length <= maxBytes; length += 1) records[length] = new Uint8Array(length)

let random = seed
let number = firstNumber
for (let accepted = 0; accepted < count;) {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0
  const record = fillRecord(records[minBytes + ((random >>> 8) % (maxBytes - minBytes + 1))], number)
  stats[0] += 1
  if (writer.write(record)) {
    number += 1
    accepted += 1
    stats[1] += 1
  }
  if (random % flushEvery === 0) writer.flush()
}
Atomics.store(done, 0, 1)
