/**
 * The two threads of relay-mmap.test.ts: a writer, and a reader that maps the writer's buffer and
 * follows the protocol of docs/relay.md. The writer is that of file-remote.test.ts, too. Nobody is
 * ever known to be dead.
 */
import { Relay, RelayFile } from '@rchan/relay'
import { parentPort, workerData } from 'node:worker_threads'
import { fillRecord, walkRecords } from '../../../test/records.mjs'
import { Random } from '../../../test/stress/random.mjs'

const { memory, id, identity, seed, role } = workerData
const relay = Relay.attach(memory, { identity, log: (level, message) => console.error(level, message) })
const channel = relay.channel(id)
const random = new Random(seed)
const nobody = new Int32Array(new SharedArrayBuffer(4))

if (role === 'writer') write()
else read()

/**
 * At least `count` records 0, 1, 2 …, and until it may stop: in discard mode each until it is
 * accepted.
 */
function write() {
  const { count, maxBytes, started, mayStop, restEvery = 0 } = workerData
  const cpu = relay.comeOnline(0)
  const buffer = channel.buffer(cpu)
  parentPort.postMessage('online')
  // Until the reader is there.
  Atomics.wait(started, 0, 0)
  let number = 0
  for (let left = count; left > 0; number += 1) {
    if (Atomics.load(mayStop, 0) === 1) left -= 1
    const record = fillRecord(new Uint8Array(random.whole(6, maxBytes)), number)
    // The reader needs a core, too.
    for (let refused = 1; !buffer.write(record); refused += 1)
      if (refused % 64 === 0) Atomics.wait(nobody, 0, 0, 0.1)
    // Now and then it leaves a sub-buffer open until it has aged.
    if (restEvery > 0 && random.whole(1, restEvery) === 1) Atomics.wait(nobody, 0, 0, random.next() * 15)
  }
  relay.goOffline()
  parentPort.postMessage(number)
}

/**
 * Takes sub-buffers until the channel is closed, and checks each record of those that are intact.
 */
function read() {
  const { started, lagSubbufs } = workerData
  const buffer = channel.buffer(0)
  const file = new RelayFile(buffer)
  const mapping = file.mmap(channel.allocSize)
  const found = {
    subbufs: 0,
    records: 0,
    lost: 0,
    gaps: 0,
    unexplainedGaps: 0,
    resets: 0,
    last: -1,
    error: '',
  }
  let life = buffer.resets
  let next = 0
  let lostBefore = false
  Atomics.store(started, 0, 1)
  Atomics.notify(started, 0)
  try {
    for (;;) {
      const isOver = buffer.finalized
      if (file.wait(20) === 'nothing') continue
      if (!isOver && buffer.produced < lagSubbufs) continue
      const { resets } = buffer
      const { produced } = buffer
      if (resets !== life) {
        found.resets += 1
        lostBefore = true
        life = resets
        next = 0
      }
      const oldest = Math.max(next, buffer.consumed, produced - buffer.subbufCount)
      found.lost += oldest - next
      lostBefore ||= oldest > next
      for (let sequence = oldest; sequence < produced; sequence += 1) {
        const bytes = mapping.subbuf(sequence).slice()
        if (buffer.isIntact(sequence, resets)) {
          for (const number of walkRecords(bytes, 0, bytes.length)) {
            if (number <= found.last) throw new Error(`record ${number} came after ${found.last}`)
            if (number > found.last + 1) {
              found.gaps += 1
              if (!lostBefore) found.unexplainedGaps += 1
            }
            lostBefore = false
            found.records += 1
            found.last = number
          }
          found.subbufs += 1
        } else {
          found.lost += 1
          lostBefore = true
        }
        file.consumeTo(sequence + 1, resets)
        next = sequence + 1
      }
      if (random.next() < 0.02) Atomics.wait(nobody, 0, 0, random.next())
      if (isOver && buffer.isEmpty) break
    }
  } catch (error) {
    found.error = String(error)
  }
  file.munmap(mapping)
  file.release()
  parentPort.postMessage(found)
}
