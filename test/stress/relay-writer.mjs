/**
 * A thread that is one CPU of a relay: it writes self-checking records to its buffer of the channel
 * that main drains, until it is told to stop or is terminated. The number of a record goes up with
 * each accepted record.
 */
import { Relay } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { workerData } from 'node:worker_threads'
import { fillRecord, MIN_RECORD_BYTES } from '../records.mjs'
import { Life, LIFE } from './life.mjs'
import { Random } from './random.mjs'

const { memory, id, lives, cpu, capacity, longest, plan, seed } = workerData
const life = new Life(lives, cpu)
const random = new Random(seed)
const relay = Relay.attach(memory, threadMachine())
relay.comeOnline(cpu)
const channel = relay.channel(id)
if (plan.module) await channel.load()
const buffer = channel.buffer(cpu)
const scratch = new Uint8Array(capacity + 1 + plan.excessBytes)

/** One record, in one of the ways that a client has. */
function put(length, number) {
  const bytes = fillRecord(scratch.subarray(0, length), number)
  if (plan.way === 'channel') return channel.write(cpu, bytes)
  return buffer.write(bytes)
}

life.raise(LIFE.begun)
let { firstNumber: number } = life
while (!life.flag(LIFE.stop)) {
  for (let records = random.whole(0, plan.recordsAtOnce); records >= 0; records -= 1) {
    life.add(LIFE.attempted)
    if (put(random.whole(MIN_RECORD_BYTES, longest), number)) {
      number += 1
      life.add(LIFE.accepted)
    } else {
      life.add(LIFE.refused)
      if (random.chance(plan.waitChance)) life.sleep(random.scaled(0.01, 2))
    }
  }
  if (random.chance(plan.tooBigChance)) {
    life.add(LIFE.attempted)
    if (put(scratch.length, number))
      throw new Error(`a record of ${scratch.length} bytes went into ${capacity}`)
    life.add(LIFE.tooBig)
  }
  if (random.chance(plan.pauseChance)) life.sleep(random.scaled(0.01, 20))
}
if (plan.goesOffline) relay.goOffline()
