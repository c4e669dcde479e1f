/**
 * A thread that blocks. See blocking-threads.test.ts for the words; `mine` is this thread's own.
 *
 * - hold: takes the mutex, says in mine[0] how (1 acquired, 2 recovered), and never gives it back.
 * - pass: takes the mutex, says so too, and gives it back.
 * - consume: takes items, one by one, until it is told to stop; mine[0] counts them.
 * - produce: makes `count` items, one by one.
 * - meet: meets the others `count` times; mine[0] is stored before each meeting. Says in note[BAD]
 *   if anybody was not there, in mine[1] how it ended: 1 all turns were done, 2 somebody is dead.
 * - wait: waits for the latch, then says so in mine[0].
 */
import { Barrier, Condition, Latch, Mutex } from '@rchan/sync'
import { workerData } from 'node:worker_threads'

const { role, mutex, condition, barrier, latch, note, all, mine, deaths, threadId, count } = workerData
const ITEMS = 0
const BAD = 1
const STOP = 2
const options = { graceMs: 2, isDead: (id) => Atomics.load(deaths, id) === 1 }

/** Every section here changes one word, so there is nothing to repair. */
function lock() {
  const got = Mutex.lock(mutex, threadId, options)
  if (got === 'recovered') Mutex.consistent(mutex, threadId)
  return got
}

if (role === 'hold' || role === 'pass') {
  Atomics.store(mine, 1, 1)
  const got = Mutex.lock(mutex, threadId, options)
  Atomics.store(mine, 0, got === 'acquired' ? 1 : 2)
  if (role === 'hold') Atomics.wait(mine, 2, 0)
  if (got === 'recovered') Mutex.consistent(mutex, threadId)
  Mutex.unlock(mutex, threadId)
} else if (role === 'consume') {
  lock()
  for (;;) {
    while (note[ITEMS] === 0 && note[STOP] === 0) {
      if (Condition.wait(condition, mutex, threadId, options) === 'recovered')
        Mutex.consistent(mutex, threadId)
    }
    if (note[ITEMS] === 0) break
    // One store takes it, the next counts it: nothing can come between the two.
    note[ITEMS] -= 1
    mine[0] += 1
    Mutex.unlock(mutex, threadId)
    lock()
  }
  Mutex.unlock(mutex, threadId)
} else if (role === 'produce') {
  for (let i = 0; i < count; i += 1) {
    lock()
    note[ITEMS] += 1
    Mutex.unlock(mutex, threadId)
    Condition.signal(condition)
  }
} else if (role === 'meet') {
  let ended = 1
  for (let turn = 1; turn <= count && ended === 1; turn += 1) {
    Atomics.store(mine, 0, turn)
    let got = Barrier.wait(barrier, threadId, options)
    // At first, not all places of the earlier threads are taken yet.
    if (turn === 1) while (got === 'dead') got = Barrier.wait(barrier, threadId, options)
    if (got === 'dead') ended = 2
    else for (const other of all) if (Atomics.load(other, 0) < turn) Atomics.add(note, BAD, 1)
  }
  Atomics.store(mine, 1, ended)
} else {
  Latch.wait(latch)
  Atomics.store(mine, 0, 1)
}
