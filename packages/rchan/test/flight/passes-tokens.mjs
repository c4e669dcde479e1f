// A thread that passes tokens to the next one, see tokens.mjs. It sends a token by one
// Atomics.store, right after it has recorded that, and records a receipt right after it has seen
// the token.
import { workerData } from 'node:worker_threads'
import { tracepoint } from 'rchan'
import { randomOf } from './tokens.mjs'

const { me, threads, words, seed } = workerData
const sent = tracepoint('token:sent', { sender: 'u32', token: 'u32' })
const received = tracepoint('token:received', { sender: 'u32', token: 'u32' })
const random = randomOf(seed)
const quiet = new Int32Array(new SharedArrayBuffer(4))
const before = (me + threads - 1) % threads
let token = 0
let seen = 0
while (Atomics.load(words, threads) === 0) {
  const burst = 1 + Math.floor(random() * 40)
  for (let left = burst; left > 0; left -= 1) {
    token += 1
    sent({ sender: me, token })
    Atomics.store(words, me, token)
    const now = Atomics.load(words, before)
    if (now === seen) continue
    seen = now
    received({ sender: before, token: seen })
  }
  // The others come in between.
  const pause = random()
  if (pause < 0.5) Atomics.wait(quiet, 0, 0, pause * 0.8)
}
