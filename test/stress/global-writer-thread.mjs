/**
 * A thread that writes self-checking records into a global buffer next to others, at its own pace,
 * until it is told to stop or is terminated. Its records are numbered 0, 1, 2 …. The number goes up
 * with each accepted record, and the length follows from the number. The time in a record is read
 * within its reservation.
 */
import { GlobalBuffer, GlobalWriter } from '@rchan/ring'
import { fillGlobal } from '../global-records.mjs'
import { fillHeader, globalLengths } from './global-records.mjs'
import { Life, LIFE } from './life.mjs'
import { Random } from './random.mjs'
import { writeUntilStopped } from './writing.mjs'
import { workerData } from 'node:worker_threads'

const { memory, lives, identity, lengths, plan, seed } = workerData
const { hrtime } = process
const buffer = GlobalBuffer.attach(memory)
const { headerBytes } = buffer.geometry
const life = new Life(lives, identity)
const random = new Random(seed)
const lengthOf = globalLengths(lengths)
const { capacity } = lengths
const scratch = new Uint8Array(capacity + 1 + plan.excessBytes)
const header = new Uint8Array(headerBytes)
const time = new Float64Array(1)
/** Of the record that is being written. */
let number = 0
let started = 0
/**
 * The record that `write` is given: it is stored without us, so its time is put in when it is read.
 */
let pending

const callbacks = {
  clock() {
    time[0] = Number(hrtime.bigint())
    if (pending !== undefined) fillGlobal(pending, identity, number, time[0])
  },
  subbufStart(view, start) {
    fillHeader(header, identity, started, time[0])
    for (let i = 0; i < headerBytes; i += 1) view.u8[start + i] = header[i]
    started += 1
  },
}

/** Takes a slot. All slots may be taken until the reader is past the records of a dead thread. */
function takeWriter() {
  for (;;) {
    try {
      return new GlobalWriter(buffer, identity, callbacks)
    } catch (error) {
      if (life.flag(LIFE.stop) || !/every slot is taken/.test(error.message)) throw error
      life.sleep(random.scaled(0.01, 2))
    }
  }
}

/** Now and then pauses or flushes between reserving and committing. */
function dwell() {
  if (random.chance(plan.dwellChance)) life.sleep(random.scaled(0.01, 5))
  if (random.chance(plan.dwellChance)) writer.flush()
}

/**
 * One record, in one of the ways that a client has. @returns whether it was accepted; undefined if
 * given up.
 */
function put(length) {
  const bytes = scratch.subarray(0, length)
  if (random.chance(plan.writeChance)) {
    pending = length === 0 ? undefined : bytes
    const accepted = writer.write(bytes)
    pending = undefined
    return accepted
  }
  const at = writer.reserve(length)
  if (at < 0) return false
  const { u8 } = writer.view
  if (length > 0) {
    fillGlobal(bytes, identity, number, time[0])
    for (let i = 0; i < length; i += 1) u8[at + i] = bytes[i]
    // As an exception of the client's would: the writer finds it when it reserves next, or
    // detaches.
    if (random.chance(plan.giveUpChance)) {
      u8.fill(0xdd, at, at + random.whole(0, length))
      return undefined
    }
  }
  dwell()
  writer.commit(at, length)
  return true
}

const writer = takeWriter()
writeUntilStopped(life, random, plan, {
  put(next) {
    number = next
    return put(lengthOf(number))
  },
  putTooBig: () => put(capacity + 1 + random.whole(0, plan.excessBytes)),
  between() {
    if (random.chance(plan.badChance)) {
      life.add(LIFE.attempted)
      writer.discardBad()
    }
    if (random.chance(plan.flushChance)) writer.flush()
  },
})
writer.detach()
