/**
 * A thread that writes numbered records of 16 bytes (cpu, number, 8 bytes made of both) to its CPU.
 * `words`: [ATTEMPTS] counts its writes up before each, [ACCEPTED] after each that was accepted,
 * [STOP] ends it. `pauseEvery`: it sleeps for 1 ms after so many. `parks`: at the end it waits for
 * [STOP] without going offline.
 */
import { Relay } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { parentPort, workerData } from 'node:worker_threads'

const ATTEMPTS = 0
const ACCEPTED = 1
const STOP = 2
const { memory, channelId, words, count, cpu: wanted, pauseEvery = 0, parks = false, from = 0 } = workerData

const relay = Relay.attach(memory, threadMachine())
const cpu = relay.comeOnline(wanted)
const channel = relay.channel(channelId)
parentPort.postMessage(cpu)
const record = new Uint32Array(4)
const bytes = new Uint8Array(record.buffer)
for (let number = from; number < from + count && Atomics.load(words, STOP) === 0; number += 1) {
  record[0] = cpu
  record[1] = number
  record[2] = number ^ 0x5a5a5a5a
  record[3] = (number * 31 + cpu) >>> 0
  Atomics.add(words, ATTEMPTS, 1)
  if (channel.write(cpu, bytes)) Atomics.add(words, ACCEPTED, 1)
  if (pauseEvery > 0 && number % pauseEvery === pauseEvery - 1) Atomics.wait(words, STOP, 0, 1)
}
if (parks) Atomics.wait(words, STOP, 0)
relay.leave()
