/**
 * A thread that is one CPU of a relay: it writes self-checking records to its buffer of the channel
 * that main drains, until it is told to stop or is terminated. The number of a record goes up with
 * each accepted record.
 */
import { Relay } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { workerData } from 'node:worker_threads'
import { fillRecord, MIN_RECORD_BYTES } from '../records.mjs'
import { Life } from './life.mjs'
import { Random } from './random.mjs'
import { writeUntilStopped } from './writing.mjs'

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

writeUntilStopped(life, random, plan, {
  firstNumber: life.firstNumber,
  put: (number) => put(random.whole(MIN_RECORD_BYTES, longest), number),
  putTooBig: (number) => put(scratch.length, number),
})
if (plan.goesOffline) relay.goOffline()
