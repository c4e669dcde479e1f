/**
 * A thread that takes a mutex, again and again. See mutex-threads.test.ts for the words.
 *
 * `note` is for the whole test: [0] which thread is in the section, [1] and [2] two halves that are
 * equal outside, [3] how often two were in it, [4] how often the damage was not told, [5] 1: stop.
 * `mine` is this thread's: [0] times that it was in the section, [1] times that it recovered.
 */
import { Mutex } from '@rchan/sync'
import { workerData } from 'node:worker_threads'

const { mutex, note, mine, deaths, threadId, count, slowness, graceMs } = workerData
const options = { graceMs, isDead: (id) => Atomics.load(deaths, id) === 1 }

for (let i = 0; i < count && Atomics.load(note, 5) === 0; i += 1) {
  const got = Mutex.lock(mutex, threadId, options)
  const other = Atomics.exchange(note, 0, threadId)
  if (other !== 0 && Atomics.load(deaths, other) === 0) Atomics.add(note, 3, 1)
  if (got === 'recovered') {
    mine[1] += 1
    // A repair takes its time, and so does the section below, so that many die in them.
    for (let spin = 0; spin < slowness; spin += 1) Atomics.load(note, 5)
    note[2] = note[1]
    Mutex.consistent(mutex, threadId)
  } else if (note[1] !== note[2]) Atomics.add(note, 4, 1)
  note[1] += 1
  for (let spin = (i % 16) + slowness; spin > 0; spin -= 1) Atomics.load(note, 5)
  note[2] += 1
  mine[0] += 1
  Atomics.store(note, 0, 0)
  Mutex.unlock(mutex, threadId)
}
