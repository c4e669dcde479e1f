// CPUs of a runtime in sequence, eight at a time, while one consumer iterates over what they write.
// Prints what the process holds now and then, and the books at the end.
// Usage: node --expose-gc cpus-program.mjs COUNT SEED
import { once } from 'node:events'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { joinRuntime, startRuntime } from 'rchan/runtime'
import { holds } from './flat.mjs'

const PLACES = 8
const RECORDS = 50
const RECORD_BYTES = 16
/** How many times the process says what it holds. */
const SAMPLES = 50
/** How a CPU ends. `joins` is a worker that the runtime has not spawned, and that is terminated. */
const WAYS = ['ends', 'exits', 'throws', 'leaves', 'is asked', 'spins', 'joins']

if (isMainThread) {
  const [total, seed] = process.argv.slice(2).map(Number)
  const written = new Int32Array(new SharedArrayBuffer(4))
  const runtime = await startRuntime({ possibleCpus: PLACES + 1 })
  const channel = runtime.open({ name: 'records', subbufSize: 1024, subbufCount: 64 })
  // Each crash is told as a warning, and is one of the ways.
  process.removeAllListeners('warning').on('warning', () => undefined)
  const books = { delivered: 0, torn: 0, misattributed: 0, unattributed: 0 }
  const consumed = (async () => {
    for await (const { cpu, sequence, bytes } of channel.consume()) {
      const words = new Uint32Array(bytes.slice().buffer)
      const tenure = channel.tenureOf(cpu, sequence)
      if (tenure === undefined) books.unattributed += 1
      for (let at = 0; at < words.length; at += 4) {
        const [generation, number, of, sum] = words.subarray(at, at + 4)
        if (of !== cpu || sum !== generation + number + of) books.torn += 1
        else if (tenure !== undefined && tenure.generation !== generation) books.misattributed += 1
        books.delivered += 1
      }
    }
  })()

  const file = new URL(import.meta.url)
  let state = (seed % 0x7ffffffe) + 1
  const random = (below) => (state = (state * 48271) % 0x7fffffff) % below
  const one = async () => {
    const how = WAYS[random(WAYS.length)]
    if (how === 'joins') {
      const worker = new Worker(file, { workerData: { how: 'spins', written } })
      worker.on('error', () => undefined)
      const exit = once(worker, 'exit')
      // Before it has joined, while it joins, or while it writes.
      await new Promise((resolve) => setTimeout(resolve, random(100)))
      await worker.terminate()
      await exit
      return
    }
    const cpu = await runtime.spawn(file, { workerData: { how, written }, startTimeoutMs: 120_000 })
    // By `ended` alone, a worker that has only left would be counted out too early.
    const exit =
      cpu.worker.threadId < 0 ? undefined : new Promise((resolve) => cpu.worker.once('exit', resolve))
    if (how === 'spins') await runtime.retire(cpu, { deadlineMs: random(5), force: random(2) === 0 })
    if (how === 'is asked') await runtime.retire(cpu, { deadlineMs: 120_000 })
    await cpu.ended
    await exit
  }
  let started = 0
  let ended = 0
  const chunk = Math.max(PLACES, Math.ceil(total / SAMPLES))
  for (let until = 0; until < total;) {
    until = Math.min(total, until + chunk)
    const end = until
    const line = async () => {
      while (started < end) {
        started += 1
        await one()
        ended += 1
      }
    }
    await Promise.all(Array.from({ length: PLACES }, line))
    process.stdout.write(`${JSON.stringify({ done: ended, sample: await holds() })}\n`)
  }
  const online = runtime.cpus.length
  const { full } = Array.from({ length: PLACES }, (_, cpu) => channel.discarded(cpu + 1)).reduce(
    (sum, each) => ({
      full: sum.full + each.full,
    }),
  )
  channel.close()
  await consumed
  await runtime.stop()
  const counted = Atomics.load(written, 0)
  process.stdout.write(`${JSON.stringify({ ...books, counted, full, online, ended })}\n`)
} else {
  const { how, written } = workerData
  const runtime = joinRuntime()
  const channel = runtime.channel('records')
  const { cpu, generation } = runtime
  for (let number = 0; number < RECORDS; number += 1) {
    const words = new Uint32Array([generation, number, cpu, generation + number + cpu])
    if (channel.write(new Uint8Array(words.buffer, 0, RECORD_BYTES))) Atomics.add(written, 0, 1)
  }
  if (how === 'exits') process.exit()
  if (how === 'throws') throw new Error('thrown by the soak')
  if (how === 'leaves') runtime.leave()
  if (how === 'is asked') while (!runtime.isAskedToRetire);
  if (how === 'spins') for (;;) Math.sqrt(2)
}
