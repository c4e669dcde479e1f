// Snapshots are consistent cuts: threads pass tokens to each other, and each records what it sends
// and what it receives. A snapshot must not have a receipt without the sending, unless that is
// older than the sender's part.
import { rmSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { openTrace } from 'rchan/reader'
import { startRecording } from 'rchan'

/** A random number generator with a seed. @returns numbers from 0 to below 1. */
export function randomOf(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Takes snapshots while threads pass tokens, and checks each one.
 *
 * @param options `dir`, `snapshots` (how many), `seed`, `buffers`, `threads`.
 * @returns how many snapshots were taken, what they held in all, and sentences on what is wrong.
 */
export async function checkTokens({ dir, snapshots, seed, buffers = 'per-thread', threads = 3 }) {
  const random = randomOf(seed)
  const found = { snapshots: 0, receipts: 0, sendings: 0, lost: 0, overwritten: 0, problems: [] }
  const recording = await startRecording({
    mode: 'flight',
    dir,
    buffers,
    bufferSize: 2 ** 19 * (buffers === 'global' ? 4 : 1),
    snapshots: { max: 4 },
  })
  const words = new Int32Array(new SharedArrayBuffer(4 * (threads + 1)))
  const workers = Array.from({ length: threads }, (_, me) => {
    const workerData = { me, threads, words, seed: seed * 1000 + me }
    return new Worker(new URL('./passes-tokens.mjs', import.meta.url), { workerData })
  })
  const senders = workers.map(({ threadId }) => threadId)
  try {
    while (Array.from({ length: threads }, (_, i) => Atomics.load(words, i)).some((count) => count < 10)) {
      await new Promise((done) => setTimeout(done, 1))
    }
    for (; found.snapshots < snapshots && found.problems.length === 0; found.snapshots += 1) {
      await new Promise((done) => setTimeout(done, random() * 4))
      const snapshot = await recording.snapshot({ reason: `seed ${seed}` })
      found.lost += snapshot.lost
      check(snapshot, senders, found)
      rmSync(snapshot.path, { recursive: true })
    }
  } finally {
    Atomics.store(words, threads, 1)
    await Promise.all(workers.map((worker) => new Promise((done) => worker.once('exit', done))))
    await recording.stop()
  }
  return found
}

/** Looks for receipts without sendings. */
function check(snapshot, senders, found) {
  /** By sender: the first and the last token whose sending is there. */
  const sent = senders.map(() => ({ first: Infinity, last: -1 }))
  const receipts = []
  for (const { event, fields } of openTrace(snapshot.path).records()) {
    if (event.name === 'token:received') receipts.push(fields)
    if (event.name !== 'token:sent') continue
    found.sendings += 1
    const of = sent[fields.sender]
    // Within a thread nothing is missing, unless it is counted.
    if (of.last >= 0 && fields.token !== of.last + 1 && snapshot.lost === 0)
      found.problems.push(`sender ${fields.sender}: token ${of.last} is followed by ${fields.token}`)
    if (of.last < 0) of.first = fields.token
    of.last = fields.token
  }
  found.receipts += receipts.length
  for (const { sender, token } of receipts) {
    const { first, last } = sent[sender]
    if (token <= last) continue
    if (wasOverwritten(snapshot, senders[sender])) {
      found.overwritten += 1
      continue
    }
    found.problems.push(
      `seed: ${snapshot.reason}, snapshot ${found.snapshots}: token ${token} of sender ${sender} was received, and ` +
        `sendings are there from ${first} to ${last} only (lost: ${snapshot.lost})`,
    )
    return
  }
}

/** Whether the snapshot says that a thread's last events were overwritten while it was taken. */
function wasOverwritten({ lost, threads }, sender) {
  return lost > 0 && threads.every(({ threadId, reachMs }) => threadId !== sender || reachMs === 0)
}
