/**
 * A thread of a crew. It sleeps until the next order, carries it out, and tells when it began and
 * ended. It never returns to its event loop.
 */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { Reader, Relay, threadMachine, type RelayChannel } from 'rchan/relay'
import { BareRing, mixedEvents, TICK_BYTES, ticks } from './events.js'
import { COMMAND, WORK, type CrewData } from './crew.js'

// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const now = process.hrtime.bigint
const { index, words, times, ringBytes, relay } = workerData as CrewData

const ring = new BareRing(ringBytes)
const record = new Uint8Array(TICK_BYTES).fill(7)
const plain = new Uint8Array(new SharedArrayBuffer(ringBytes))
let plainAt = 0
let channel: RelayChannel | undefined

function relayChannel(): RelayChannel {
  if (relay === undefined) throw new Error('this crew has no relay')
  const joined = Relay.attach(relay.memory, threadMachine())
  joined.comeOnline(index)
  channel ??= joined.channel(relay.channel)
  if (channel === undefined) throw new Error('the relay channel is gone')
  return channel
}

function setRecords(count: number): void {
  for (let i = 0; i < count; i += 1) {
    plain.set(record, plainAt)
    plainAt += TICK_BYTES
    if (plainAt > ringBytes - TICK_BYTES) plainAt = 0
  }
}

function relayRecords(count: number): void {
  const buffer = (channel ?? relayChannel()).buffer(index)
  if (buffer === undefined) throw new Error(`cpu ${index} has no relay buffer`)
  for (let i = 0; i < count; i += 1) buffer.write(record)
}

/** Drains the buffers of a relay channel into a file, until it is asked to stop. */
function drainRelay(fd: number): void {
  if (relay === undefined) throw new Error('this crew has no relay')
  const drained = Relay.attach(relay.memory, threadMachine()).channel(relay.channel)
  const readers: Reader[] = []
  for (;;) {
    const isLast = Atomics.load(words, COMMAND.stopDraining) === 1
    let found = false
    for (let cpu = 0; cpu < index; cpu += 1) {
      const buffer = drained?.buffer(cpu)
      if (buffer === undefined) continue
      readers[cpu] ??= new Reader(buffer.memory)
      for (let span = readers[cpu].next(); span !== undefined; span = readers[cpu].next()) {
        writeSync(fd, span.bytes, span.from, span.end - span.from)
        readers[cpu].delivered(span, span.records)
        found = true
      }
    }
    if (isLast) return
    if (!found) Atomics.wait(words, COMMAND.stopDraining, 0, 1)
  }
}

const WORKS: Record<number, (count: number) => void> = {
  [WORK.stores]: (count) => ring.ticks(count),
  [WORK.sets]: setRecords,
  [WORK.trace]: ticks,
  [WORK.traceMixed]: mixedEvents,
  [WORK.storesMixed]: (count) => ring.mixed(count),
  [WORK.relay]: relayRecords,
  [WORK.drainRelay]: drainRelay,
}

/** Does the work in small portions, one each millisecond. */
function paced(work: (count: number) => void, count: number, perMs: number): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  const start = performance.now()
  for (let done = 0; done < count; done += perMs) {
    work(perMs)
    const aheadMs = start + (done + perMs) / perMs - performance.now()
    if (aheadMs > 0) Atomics.wait(sleeper, 0, 0, aheadMs)
  }
}

for (let order = 0; ;) {
  Atomics.add(words, COMMAND.ready, 1)
  Atomics.notify(words, COMMAND.ready)
  Atomics.wait(words, COMMAND.order, order)
  order = Atomics.load(words, COMMAND.order)
  const work = WORKS[words[COMMAND.work]]
  // 0 is the order to end.
  if (work === undefined) break
  const perMs = words[COMMAND.perMs]
  const begun = now()
  if (perMs > 0) paced(work, words[COMMAND.count], perMs)
  else work(words[COMMAND.count])
  times[2 * index + 1] = now()
  times[2 * index] = begun
}
