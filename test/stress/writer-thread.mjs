/**
 * A thread that writes self-checking records to one CPU's buffer, at its own pace, until it is told
 * to stop or is terminated. The number goes up with each accepted record, and the length follows
 * from the number.
 */
import { Channel } from '@rchan/ring'
import { fillRecord } from '../records.mjs'
import { Lengths } from './lengths.mjs'
import { Life } from './life.mjs'
import { headerCallbacks } from './headers.mjs'
import { Random } from './random.mjs'
import { writeUntilStopped } from './writing.mjs'
import { workerData } from 'node:worker_threads'

const { memory, lives, cpu, lengths, headerBytes, plan, seed } = workerData
const { capacity } = lengths
const life = new Life(lives, cpu)
const random = new Random(seed)
const lengthOf = new Lengths(lengths)
const writer = Channel.attach(memory).writer(
  cpu,
  plan.fillsHeaders ? headerCallbacks(headerBytes) : undefined,
)
const { view } = writer
const scratch = new Uint8Array(capacity + 1 + plan.excessBytes)

/** One record, in one of the ways that a client has. @returns whether it was accepted. */
function put(way, length, number) {
  const bytes = fillRecord(scratch.subarray(0, length), number)
  if (way === 'write') return writer.write(bytes)
  if (way === 'reserve') {
    const at = writer.reserve(length)
    if (at < 0) return false
    for (let i = 0; i < length; i += 1) view.u8[at + i] = bytes[i]
    writer.commit(at, length)
    return true
  }
  let at = view.words[view.end]
  if (at + length > view.limit) at = writer.room(length)
  if (at < 0) return false
  for (let i = 0; i < length; i += 1) view.u8[at + i] = bytes[i]
  const { words, end } = view
  words[end + 1] += 1
  words[end] = at + length
  return true
}

writeUntilStopped(life, random, plan, {
  firstNumber: life.firstNumber,
  put: (number) => put(plan.way, lengthOf.of(number), number),
  putTooBig: (number) => put(plan.way, capacity + 1 + random.whole(0, plan.excessBytes), number),
  between() {
    if (random.chance(plan.flushChance)) writer.flush()
    if (random.chance(plan.switchChance)) writer.switch(0)
  },
})
