/**
 * A thread at the other end of a doorbell or of a progress word. `go` holds it back until the test
 * is ready.
 *
 * - ring: publishes pieces of work, one by one, in `words[work]`, and rings after each.
 * - sleep: sleeps until `work` has been published, for at most `timeoutMs` in all; then reports the
 *   outcome.
 * - raise: raises `words[index]` to each of `values`.
 * - wait: waits until `words[index] >= value`; then reports whether it came.
 */
import { Doorbell, raise, waitAtLeast } from '@rchan/sync'
import { parentPort, workerData } from 'node:worker_threads'

const { role, words, bellWords, ready, go } = workerData
Atomics.add(ready, 0, 1)
Atomics.notify(ready, 0)
Atomics.wait(go, 0, 0)

if (role === 'ring') {
  const bell = new Doorbell(bellWords)
  let random = workerData.seed
  for (let i = 0; i < workerData.count; i += 1) {
    Atomics.add(words, 0, 1)
    bell.ring()
    // Now and then long enough for the sleeper to fall asleep.
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    if (random % 64 === 0) for (let spin = 0; spin < random >>> 18; spin += 1) Atomics.load(go, 0)
  }
} else if (role === 'sleep') {
  const bell = new Doorbell(bellWords)
  const awakenings = []
  while (Atomics.load(words, 0) === 0) {
    const ticket = bell.announce()
    if (Atomics.load(words, 0) !== 0) {
      bell.stayAwake()
      break
    }
    awakenings.push(bell.sleep(ticket, workerData.timeoutMs))
    if (awakenings.at(-1) === 'timed-out') break
  }
  parentPort.postMessage(awakenings)
} else if (role === 'raise') {
  for (const value of workerData.values) raise(words, 0, value)
} else {
  parentPort.postMessage(waitAtLeast(words, 0, workerData.value, workerData.timeoutMs))
}
