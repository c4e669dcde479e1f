// A thread whose clocks stand still, from before it imports the package or from after: each wait
// with a deadline, on something that never comes. Posts what each returned.
import { parentPort, workerData } from 'node:worker_threads'

// The time to which a caller adds its milliseconds.
const { now } = Date
const freeze = () => {
  const [date, time, ns] = [Date.now(), performance.now(), process.hrtime.bigint()]
  Date.now = () => date
  performance.now = () => time
  process.hrtime.bigint = () => ns
}
if (workerData === 'before') freeze()
const { Barrier, Condition, Latch, Mutex, Semaphore, WaitQueue, waitAtLeast } = await import('@rchan/sync')
if (workerData === 'after') freeze()

const soon = () => (workerData === 'before' ? Date.now() : now()) + 30
const words = () => new Int32Array(new SharedArrayBuffer(64))
const mutex = Mutex.init()
Mutex.lock(mutex, 1)
const queue = new WaitQueue(words())
parentPort.postMessage({
  mutex: Mutex.timedLock(mutex, 2, soon()),
  condition: Condition.timedWait(Condition.init(), mutex, 1, soon()),
  semaphore: Semaphore.timedWait(Semaphore.init(0), soon()),
  latch: Latch.timedWait(Latch.init(1), soon()),
  barrier: Barrier.timedWait(Barrier.init(2), 1, soon()),
  word: waitAtLeast(words(), 0, 1, 30),
  queue: queue.sleepUntil(() => false, 30),
})
