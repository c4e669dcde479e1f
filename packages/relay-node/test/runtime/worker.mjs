// A worker of a runtime. Does what its workerData say.
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { joinRuntime } from '@rchan/relay-node'

const { how, counts } = workerData ?? {}

if (how === 'throws first') throw new Error('as asked')
if (how === 'exits first') process.exit(7)
if (how === 'never joins') setInterval(() => undefined, 1000)
else {
  if (how === 'starts another first') {
    const joined = new Int32Array(new SharedArrayBuffer(4))
    const other = new Worker(new URL(import.meta.url), { workerData: { how: 'joins, parks', joined } })
    other.unref()
    Atomics.wait(joined, 0, 0)
  }
  const runtime = joinRuntime()
  if (how === 'joins, parks') {
    Atomics.store(workerData.joined, 0, 1)
    Atomics.notify(workerData.joined, 0)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
  if (how === 'throws later') throw new Error('as asked')
  if (how === 'leaves') {
    runtime.channel('records').write(record(runtime, 0))
    runtime.leave()
  } else if (how === 'leaves, throws') {
    runtime.leave()
    throw new Error('after it left')
  } else if (how === 'throws null') {
    throw null
  } else if (how === 'writes once') {
    runtime.channel(workerData.channel).write(record(runtime, 0))
  } else if (how === 'listens') {
    const keep = setInterval(() => undefined, 1000)
    runtime.retiring.addEventListener('abort', () => clearInterval(keep))
  } else if (how === 'parks') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  } else if (how === 'spins') {
    for (;;) Math.sqrt(2)
  } else if (how === 'writes') {
    // Until it is asked to retire, or terminated. Counts what it has written.
    const channel = runtime.channel('records')
    const limit = workerData.limit ?? Infinity
    const at = (workerData.perCpu ?? 0) * runtime.cpu + runtime.generation
    for (let number = 0; number < limit && !runtime.isAskedToRetire; number += 1) {
      if (channel.write(record(runtime, number))) Atomics.add(counts, at, 1)
    }
  } else if (how === 'echoes') {
    parentPort.once('message', () =>
      parentPort.postMessage([runtime.cpu, runtime.generation, workerData.value]),
    )
  }
}

/** 16 bytes: generation, number, CPU, and their sum. */
function record({ generation, cpu }, number) {
  return new Uint8Array(new Uint32Array([generation, number, cpu, generation + number + cpu]).buffer)
}
