/**
 * A thread that takes part in a relay, in one of several roles. `words` is shared with the test.
 * [READY] becomes 1 when the thread has begun, [STOP] asks it to end, [DONE] becomes 1 when it has
 * ended. [COUNT] counts its work so far. An owner says in [WRITTEN] whether its last record was
 * written. When [GO] is 1, a sleeping owner writes its next record, and a writer begins.
 */
import { Relay, RelayFile } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { fillRecord, makeRecord } from '../../../test/records.mjs'
import { parentPort, threadId, workerData } from 'node:worker_threads'

const READY = 0
const STOP = 1
const DONE = 2
const COUNT = 3
const WRITTEN = 4
const GO = 5
const { role, memory, words, seed = 1 } = workerData

let state = seed >>> 0
function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return (state >>> 8) % below
}

function isStopped() {
  return Atomics.load(words, STOP) === 1
}

const machine = threadMachine(() => undefined)

/** Writes `count` records that were accepted to its own CPU, numbered from 0. */
async function write() {
  const { channelId, count, minBytes, maxBytes, loads } = workerData
  const relay = Relay.attach(memory, machine)
  const cpu = relay.comeOnline()
  const channel = relay.channel(channelId)
  if (loads) await channel.load()
  Atomics.store(words, READY, 1)
  // Else one could have ended, and its CPU be free, before another one begins.
  Atomics.wait(words, GO, 0)
  const records = []
  for (let length = minBytes; length <= maxBytes; length += 1) records[length] = new Uint8Array(length)
  let refused = 0
  for (let number = 0; number < count && !isStopped();) {
    const record = fillRecord(records[minBytes + random(maxBytes - minBytes + 1)], number)
    if (!channel.write(cpu, record)) {
      // The reader needs a core, too.
      refused += 1
      if (refused % 64 === 0) Atomics.wait(words, STOP, 0, 0.1)
      continue
    }
    number += 1
    Atomics.store(words, COUNT, number)
  }
}

/** Writes one record and reports the outcome. */
async function writeOnce() {
  const { channelId } = workerData
  const relay = Relay.attach(memory, machine)
  try {
    relay.channel(channelId).write(relay.comeOnline(), makeRecord(8, 0))
    parentPort.postMessage('written')
  } catch (error) {
    parentPort.postMessage(String(error))
  }
}

/**
 * The possible outcomes of an operation while others close the channel, own the buffer, or are all
 * CPUs.
 */
const ALLOWED = [
  /was closed$/,
  /has no buffer in this channel$/,
  /^Error: cpu=\d+ is written by another thread, which lives$/,
  /^Error: all \d+ CPUs are online$/,
  /^Error: the buffer of cpu=\d+ was freed$/,
  /^Error: no place for a relay channel/,
]

/** Does random operations on a relay. */
function operate() {
  const relay = Relay.attach(memory, machine)
  const record = makeRecord(7, threadId)
  let names = 0
  const any = () => {
    const { channels } = relay
    return channels.length === 0 ? undefined : channels[random(channels.length)]
  }
  const read = (buffer) => {
    const file = new RelayFile(buffer)
    file.poll()
    file.readBytes(1000)
    file.mmap(buffer.pages.length)
    file.munmap()
    file.release()
  }
  const operations = [
    () => {
      if (relay.channels.length > 8) return any()?.close()
      names += 1
      const baseFilename = random(3) === 0 ? undefined : `${threadId}-${names}-`
      const mode = random(2) === 0 ? 'discard' : 'overwrite'
      return relay.open({ baseFilename, mode, subbufSize: 16 << random(9), subbufCount: 1 + random(4) })
    },
    () => any()?.close(),
    () => relay.prepareCpu(random(relay.possibleCpus)),
    () => relay.cpu < 0 && relay.comeOnline(),
    () => random(4) === 0 && relay.goOffline(),
    () => any()?.lateSetupFiles(`late${threadId}-`),
    () => any()?.flush(),
    () => any()?.reset(),
    () => any()?.subbufsConsumed(random(relay.possibleCpus), 1),
    () => {
      const buffer = any()?.buffer(random(relay.possibleCpus))
      if (buffer !== undefined) read(buffer)
    },
    () => {
      const channel = any()
      if (channel === undefined || relay.cpu < 0) return
      for (let i = 0; i < 20; i += 1) channel.write(relay.cpu, record)
    },
  ]
  Atomics.store(words, READY, 1)
  while (!isStopped()) {
    const operation = operations[random(operations.length)]
    try {
      operation()
    } catch (error) {
      if (!ALLOWED.some((allowed) => allowed.test(String(error)))) throw error
    }
    Atomics.add(words, COUNT, 1)
  }
}

/** Makes a relay, becomes its file thread, and never returns to its event loop. */
function beFileThread() {
  const relay = new Relay(machine, {
    possibleCpus: 2,
    memoryBytes: 2 ** 20,
    fileCallbacks: { createBufFile: () => 1 },
  })
  parentPort.postMessage(relay.memory)
  for (;;) Atomics.wait(words, STOP, 0, 1000)
}

/** Writes to a buffer, and then goes on writing, or sleeps until it is to write one more. */
function own() {
  const { channelId, cpu, records, goesOn } = workerData
  const buffer = Relay.attach(memory, machine).channel(channelId).buffer(cpu)
  let number = 0
  const writeNext = () => {
    const isWritten = buffer.write(makeRecord(8, number))
    if (isWritten) number += 1
    Atomics.store(words, WRITTEN, isWritten ? 1 : 0)
    Atomics.add(words, COUNT, 1)
  }
  for (let i = 0; i < records; i += 1) writeNext()
  Atomics.store(words, READY, 1)
  if (goesOn) {
    while (!isStopped()) {
      writeNext()
      Atomics.wait(words, STOP, 0, 0.5)
    }
  }
  while (!isStopped()) {
    Atomics.wait(words, GO, 0)
    if (Atomics.exchange(words, GO, 0) === 1) writeNext()
  }
}

/** Becomes a CPU, which makes it a buffer in every channel. [COUNT] is its identity. */
function comeOnline() {
  Atomics.store(words, COUNT, machine.identity)
  Relay.attach(memory, machine).comeOnline()
}

const roles = { write, writeOnce, operate, beFileThread, own, comeOnline }
await roles[role]()
Atomics.store(words, DONE, 1)
