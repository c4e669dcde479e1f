import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Reader } from '@rchan/ring'
import {
  joinRuntime,
  startRuntime,
  type Runtime,
  type RuntimeChannel,
  type SpawnedCpu,
} from '@rchan/relay-node'
import { describe, expect, onTestFinished, test } from 'vitest'

const FILE = new URL('./worker.mjs', import.meta.url)
const SEED = 20261126
const RECORD_BYTES = 16

async function started(possibleCpus = 4): Promise<Runtime> {
  const runtime = await startRuntime({ possibleCpus })
  onTestFinished(async () => await runtime.stop({ force: true }))
  return runtime
}

function open(runtime: Runtime, mode: 'discard' | 'overwrite' = 'discard', subbufCount = 64): RuntimeChannel {
  return runtime.open({ name: 'records', subbufSize: 4096, subbufCount, mode })
}

async function spawn(runtime: Runtime, how: string, more: object = {}): Promise<SpawnedCpu> {
  const { cpu, startTimeoutMs, ...data } = more as { cpu?: number; startTimeoutMs?: number }
  return await runtime.spawn(FILE, {
    workerData: { how, ...data },
    ...(cpu === undefined ? {} : { cpu }),
    ...(startTimeoutMs === undefined ? {} : { startTimeoutMs }),
  })
}

/** A folder that is gone after the test. */
function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rchan-runtime-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Reads all of a CPU's buffer. Holds each record to the thread of its sub-buffer. */
function readAll(channel: RuntimeChannel, cpu: number): Map<number, number> {
  const buffer = channel.relayChannel.buffer(cpu)
  if (buffer === undefined) throw new Error(`cpu=${cpu} has no buffer`)
  const reader = new Reader(buffer.memory)
  const next = new Map<number, number>()
  for (let span = reader.next(); span !== undefined; span = reader.next()) {
    const tenure = channel.tenureOf(cpu, span.sequence)
    const bytes = span.bytes.slice(span.from, span.end)
    expect(bytes.length % RECORD_BYTES).toBe(0)
    const words = new Uint32Array(bytes.buffer)
    for (let at = 0; at < words.length; at += 4) {
      const [generation, number, of, sum] = words.subarray(at, at + 4)
      expect([of, sum]).toEqual([cpu, generation + number + cpu])
      expect(generation, `sub-buffer ${span.sequence} of cpu=${cpu}, seed=${SEED}`).toBe(tenure?.generation)
      next.set(generation, (next.get(generation) ?? 0) + 1)
    }
    reader.delivered(span, span.records)
  }
  return next
}

describe('a worker that is spawned', () => {
  test('has its buffer in every channel before it runs, and its own workerData', async () => {
    const runtime = await started()
    const channel = open(runtime)
    expect(channel.relayChannel.buffer(1)).toBe(undefined)
    const pending = spawn(runtime, 'echoes', { value: 'mine' })
    expect(channel.relayChannel.buffer(1)).not.toBe(undefined)
    const cpu = await pending
    expect(cpu).toMatchObject({ number: 1, generation: 1 })
    cpu.worker.postMessage('go')
    expect(await once(cpu.worker, 'message')).toEqual([[1, 1, 'mine']])
    expect(await cpu.ended).toEqual({ how: 'exited', exitCode: 0, error: undefined })
    expect(runtime.cpus.map(({ number }) => number)).toEqual([0])
  })

  test('gets the CPU that is asked for, or the lowest free one', async () => {
    const runtime = await started()
    const third = await spawn(runtime, 'listens', { cpu: 3 })
    const first = await spawn(runtime, 'listens')
    expect([third.number, first.number]).toEqual([3, 1])
    expect(runtime.cpus).toMatchObject([
      { number: 0, origin: 'coordinator' },
      { number: 1, origin: 'spawned', state: 'online', threadId: first.threadId },
      { number: 3, origin: 'spawned', state: 'online', threadId: third.threadId },
    ])
    await expect(spawn(runtime, 'listens', { cpu: 3 })).rejects.toThrow('cpu=3 is taken: retire it first')
    await expect(spawn(runtime, 'listens', { cpu: 4 })).rejects.toThrow(
      'cpu=4 is not one of the 4 possible CPUs',
    )
    await expect(spawn(runtime, 'listens', { cpu: 0 })).rejects.toThrow('cpu=0 is taken')
    await spawn(runtime, 'listens')
    await expect(spawn(runtime, 'listens')).rejects.toThrow('all 4 CPUs are taken')
  })

  test.each([
    ['throws first', {}, /worker\.mjs of cpu=1 threw while it started: as asked/],
    ['exits first', {}, /worker\.mjs of cpu=1 ended with exit code 7 before it was online/],
    ['never joins', { startTimeoutMs: 300 }, /worker\.mjs of cpu=1 was not online within 300 ms/],
  ])('that %s gives an error that says so, and frees its CPU', async (how, more, message) => {
    const runtime = await started(2)
    await expect(spawn(runtime, how, more)).rejects.toThrow(message)
    expect(runtime.cpus.map(({ number }) => number)).toEqual([0])
    expect(await spawn(runtime, 'listens')).toMatchObject({ number: 1, generation: 2 })
  })

  test('keeps its CPU from a worker that it starts before it joins', async () => {
    const runtime = await started(4)
    const cpu = await spawn(runtime, 'starts another first', { cpu: 2 })
    expect(cpu).toMatchObject({ number: 2, generation: 1 })
    expect(runtime.cpus).toMatchObject([
      { number: 0 },
      { number: 1, origin: 'joined', threadId: cpu.threadId + 1 },
      { number: 2, origin: 'spawned', threadId: cpu.threadId, state: 'online' },
    ])
  })

  test('whose file is missing gives an error that names it, and frees its CPU', async () => {
    const runtime = await started(2)
    const missing = new URL('./missing.mjs', import.meta.url)
    await expect(runtime.spawn(missing)).rejects.toThrow(
      /missing\.mjs of cpu=1 threw while it started: Cannot find module/,
    )
    await expect(runtime.spawn('relative.mjs')).rejects.toThrow(/relative\.mjs of cpu=1 can't start/)
    expect(await spawn(runtime, 'listens')).toMatchObject({ number: 1, generation: 3 })
  })
})

describe('a CPU that is retired', () => {
  test('is asked in its event loop, and may end by itself', async () => {
    const runtime = await started()
    const cpu = await spawn(runtime, 'listens')
    expect(await runtime.retire(cpu)).toEqual({ how: 'exited', exitCode: 0, error: undefined })
  })

  test('is asked while it never yields, and what it wrote is there to the last record', async () => {
    const runtime = await started()
    const channel = open(runtime, 'discard', 1024)
    const counts = new Int32Array(new SharedArrayBuffer(64))
    const cpu = await spawn(runtime, 'writes', { counts })
    while (Atomics.load(counts, 1) < 1000) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(await runtime.retire(cpu.number)).toMatchObject({ how: 'exited' })
    expect(readAll(channel, cpu.number)).toEqual(new Map([[1, counts[1]]]))
  })

  test.each(['parks', 'spins'])('is terminated at the deadline if it %s', async (how) => {
    const runtime = await started()
    const cpu = await spawn(runtime, how)
    const both = [runtime.retire(cpu, { deadlineMs: 50 }), runtime.retire(cpu.number)]
    const end = { how: 'terminated', exitCode: 1, error: undefined }
    expect(await Promise.all(both)).toEqual([end, end])
    expect(await runtime.retire(cpu)).toEqual(end)
    await expect(runtime.retire(cpu.number)).rejects.toThrow(`cpu=${cpu.number} is not online`)
  })

  test('is refused where it makes no sense', async () => {
    const runtime = await started()
    await expect(runtime.retire(0)).rejects.toThrow('cpu=0 is the coordinator itself')
    await expect(runtime.retire(2)).rejects.toThrow('cpu=2 is not online')
    await expect(runtime.retire(9)).rejects.toThrow('cpu=9 is not one of the 4 possible CPUs')
    await expect(runtime.retire(1, { deadlineMs: -1 })).rejects.toThrow('deadlineMs=-1')
  })

  test('may have left the runtime before, or crashed', async () => {
    const runtime = await started()
    const channel = open(runtime)
    const left = await spawn(runtime, 'leaves')
    expect(await left.ended).toMatchObject({ how: 'left' })
    expect(readAll(channel, left.number)).toEqual(new Map([[1, 1]]))
    const crashed = await spawn(runtime, 'throws later')
    expect(await crashed.ended).toMatchObject({ how: 'crashed', exitCode: 1, error: { message: 'as asked' } })
  })
})

test('no record of one thread is taken for one of another, wherever they are terminated', async () => {
  const runtime = await started(2)
  const channel = open(runtime, 'discard', 512)
  const counts = new Int32Array(new SharedArrayBuffer(1024))
  let random = SEED
  const found = new Map<number, number>()
  for (let round = 1; round <= 12; round += 1) {
    random = (random * 48271) % 0x7fffffff
    const cpu = await spawn(runtime, 'writes', { counts, ...(round % 4 === 0 ? { limit: 100 } : {}) })
    expect(cpu).toMatchObject({ number: 1, generation: round })
    await new Promise((resolve) => setTimeout(resolve, random % 8))
    if (round % 4 === 0) await cpu.ended
    else await runtime.retire(cpu, { force: round % 2 === 0 })
    for (const [generation, records] of readAll(channel, 1)) found.set(generation, records)
  }
  for (let generation = 1; generation <= 12; generation += 1) {
    // The last one may have been written, and not counted.
    const records = found.get(generation) ?? 0
    expect(records - counts[generation], `generation ${generation}, seed=${SEED}`).toBeGreaterThanOrEqual(0)
    expect(records - counts[generation], `generation ${generation}, seed=${SEED}`).toBeLessThanOrEqual(1)
  }
})

test('a worker of another origin joins by itself, and can be asked to retire', async () => {
  const runtime = await started(3)
  const channel = open(runtime)
  const counts = new Int32Array(new SharedArrayBuffer(64))
  const worker = new Worker(FILE, { workerData: { how: 'writes', counts } })
  while (Atomics.load(counts, 1) < 10) await new Promise((resolve) => setTimeout(resolve, 1))
  expect(runtime.cpus).toMatchObject([
    { number: 0 },
    { number: 1, origin: 'joined', threadId: worker.threadId },
  ])
  await expect(runtime.retire(1, { force: true })).rejects.toThrow('joined by itself')
  const exit = once(worker, 'exit')
  expect(await runtime.retire(1)).toMatchObject({ how: 'left' })
  await exit
  expect(readAll(channel, 1).get(1)).toBe(counts[1])
})

test('a runtime ends with its workers and channels, and another one can start', async () => {
  const runtime = await startRuntime({ possibleCpus: 3 })
  const channel = open(runtime)
  await expect(startRuntime()).rejects.toThrow('this thread has a runtime already')
  expect(() => open(runtime)).toThrow('a channel "records" is open already')
  expect(() => runtime.channel('other')).toThrow('channel="other" is not open; open are: "records"')
  const cpu = await spawn(runtime, 'parks')
  const late = spawn(runtime, 'never joins')
  const lateError = expect(late).rejects.toThrow('was terminated while it started')
  await Promise.all([runtime.stop({ deadlineMs: 10 }), runtime.stop()])
  await lateError
  expect(await cpu.ended).toMatchObject({ how: 'terminated' })
  expect(channel.isOpen).toBe(false)
  await expect(spawn(runtime, 'listens')).rejects.toThrow('the runtime was stopped')
  const next = await started(2)
  expect(await spawn(next, 'listens')).toMatchObject({ number: 1, generation: 1 })
})

test('a size that can not be is refused', async () => {
  for (const possibleCpus of [0, 64, 1.5, NaN])
    await expect(startRuntime({ possibleCpus })).rejects.toThrow(
      `possibleCpus=${possibleCpus} is not a whole number`,
    )
})

test('options that are none are refused, and nothing is taken by it', async () => {
  await expect(startRuntime({ possiblecpus: 3 } as never)).rejects.toThrow(
    'startRuntime: unknown option possiblecpus; there are possibleCpus, memoryBytes',
  )
  await expect(startRuntime(null as never)).rejects.toThrow('startRuntime: options=null, expected an object')
  const runtime = await started(2)
  expect(() => runtime.open({ subbufSize: 4096, subBufCount: 4 } as never)).toThrow(
    'open: unknown option subBufCount; there are name, subbufSize',
  )
  for (const file of [undefined, null, 5])
    await expect(runtime.spawn(file as never)).rejects.toThrow(`file=${file} is neither a URL nor a path`)
  await expect(runtime.spawn(FILE, null as never)).rejects.toThrow('spawn: options=null')
  await expect(runtime.retire(null as never)).rejects.toThrow('cpu=null is not one of')
  await expect(runtime.startConsumer({ channels: [], sink: FILE })).rejects.toThrow('at least one channel')
  // The one CPU is still free.
  expect(await spawn(runtime, 'listens')).toMatchObject({ number: 1, generation: 1 })
})

describe('consumers of a runtime', () => {
  test('an iterator gets what a worker wrote, and ends with the channel', async () => {
    const runtime = await started()
    const channel = open(runtime)
    const counts = new Int32Array(new SharedArrayBuffer(64))
    let records = 0
    const reading = (async () => {
      for await (const subbuf of channel.consume({ cpu: 1 })) {
        expect(channel.tenureOf(1, subbuf.sequence)?.generation).toBe(1)
        records += subbuf.bytes.length / RECORD_BYTES
      }
    })()
    const cpu = await spawn(runtime, 'writes', { counts, limit: 1000 })
    await cpu.ended
    channel.close()
    await reading
    expect(records).toBe(counts[1])
    expect(records).toBeGreaterThan(0)
  })

  test('late files have what was written before and after, of all generations', async () => {
    const runtime = await started()
    const channel = open(runtime, 'discard', 1024)
    const counts = new Int32Array(new SharedArrayBuffer(64))
    const dir = join(freshFolder(), 'out')
    await (
      await spawn(runtime, 'writes', { counts, limit: 500 })
    ).ended
    await channel.setUpFiles({ dir })
    expect(statSync(join(dir, 'cpu1')).size).toBe(counts[1] * RECORD_BYTES)
    await expect(channel.setUpFiles({ dir })).rejects.toMatchObject({ code: 'exists' })
    await (
      await spawn(runtime, 'writes', { counts, limit: 500 })
    ).ended
    await runtime.stop()
    expect(statSync(join(dir, 'cpu1')).size).toBe((counts[1] + counts[2]) * RECORD_BYTES)
  })

  test('a set-up that fails leaves nothing, and can be tried again', async () => {
    const runtime = await started()
    const channel = open(runtime)
    const folder = freshFolder()
    writeFileSync(join(folder, 'file'), '')
    await expect(channel.setUpFiles({ dir: join(folder, 'file', 'out') })).rejects.toThrow()
    expect(readdirSync(folder)).toEqual(['file'])
    await channel.setUpFiles({ dir: join(folder, 'out') })
    expect(readdirSync(join(folder, 'out')).length).toBeGreaterThan(0)
  })

  test('a thread with a sink takes everything before the runtime has stopped', async () => {
    const runtime = await started()
    const channel = open(runtime)
    const taken = new Int32Array(new SharedArrayBuffer(4))
    const sink = new URL('./counting-sink.mjs', import.meta.url)
    await runtime.startConsumer({ channels: [channel], sink, init: taken })
    const counts = new Int32Array(new SharedArrayBuffer(64))
    const cpus = await Promise.all(
      [1, 2].map(async () => await spawn(runtime, 'writes', { counts, limit: 700 })),
    )
    await Promise.all(cpus.map(async ({ ended }) => await ended))
    await runtime.stop()
    // The workers of two CPUs are both of generation 1.
    expect(taken[0]).toBe(counts[1] * RECORD_BYTES)
  })
})

describe('a global buffer', () => {
  const shape = { name: 'records', subbufSize: 4096, subbufCount: 64, buffers: 'global' } as const
  const PER_CPU = 64

  test('is written by all threads at once, and keeps each of their records, wherever they are terminated', async () => {
    const runtime = await started(4)
    const channel = runtime.open(shape)
    const buffer = channel.relayChannel.buffer(0)
    if (buffer === undefined) throw new Error('no buffer')
    const reader = new Reader(buffer.memory)
    const counts = new Int32Array(new SharedArrayBuffer(4 * 4 * PER_CPU))
    const found = new Int32Array(counts.length)
    const last = new Int32Array(counts.length).fill(-1)
    const read = (most = Infinity): void => {
      for (let left = most; left > 0; left -= 1) {
        const span = reader.next()
        if (span === undefined) break
        const words = new Uint32Array(span.bytes.slice(span.from, span.end).buffer)
        for (let at = 0; at < words.length; at += 4) {
          const [generation, number, cpu, sum] = words.subarray(at, at + 4)
          const thread = cpu * PER_CPU + generation
          if (sum !== generation + number + cpu || number <= last[thread])
            throw new Error(`torn or out of order in sub-buffer ${span.sequence}, seed=${SEED}`)
          last[thread] = number
          found[thread] += 1
        }
        expect(reader.delivered(span, span.records)).toBe(true)
      }
    }
    let random = SEED
    let own = 0
    for (let round = 0; round < 8; round += 1) {
      const cpus = await Promise.all(
        [1, 2, 3].map(async () => await spawn(runtime, 'writes', { counts, perCpu: PER_CPU })),
      )
      random = (random * 48271) % 0x7fffffff
      for (let turn = 0; turn < 20 + (random % 8); turn += 1) {
        const record = new Uint32Array([1, turn + 100 * round, 0, 1 + turn + 100 * round])
        if (channel.write(new Uint8Array(record.buffer))) own += 1
        // They write faster than anybody reads.
        read(shape.subbufCount)
        await new Promise((resolve) => setTimeout(resolve, 0))
      }
      const ends = cpus.map(async (cpu, index) => await runtime.retire(cpu, { force: index < 2 }))
      // A thread that is terminated in its turn keeps nobody from writing.
      if (channel.write(new Uint8Array(new Uint32Array([1, 99 + 100 * round, 0, 100 + 100 * round]).buffer)))
        own += 1
      await Promise.all(ends)
      read()
    }
    buffer.switch(0)
    read()
    counts[1] = own
    expect(own).toBeGreaterThan(50)
    for (const [thread, records] of found.entries()) {
      // The last one of a terminated thread may have been written, and not counted.
      const what = `cpu ${Math.trunc(thread / PER_CPU)}, generation ${thread % PER_CPU}, seed=${SEED}`
      expect(records - counts[thread], what).toBeGreaterThanOrEqual(0)
      expect(records - counts[thread], what).toBeLessThanOrEqual(1)
    }
    const threads = [1, 2, 3].map((cpu) => found.subarray(cpu * PER_CPU, (cpu + 1) * PER_CPU))
    for (const generations of threads) expect(generations.some((records) => records > 0)).toBe(true)
  })

  test('has what a thread wrote when it has ended, though others still write', async () => {
    const runtime = await started(3)
    const channel = runtime.open(shape)
    const stream = channel.consume({ flushIntervalMs: Infinity })
    onTestFinished(async () => void (await stream.return()))
    const cpu = await spawn(runtime, 'writes once', { channel: 'records' })
    await cpu.ended
    // Its owner lives, and writes nothing more.
    const record = new Uint8Array(new Uint32Array([1, 7, 0, 8]).buffer)
    expect(channel.write(record)).toBe(true)
    const next = await spawn(runtime, 'writes once', { channel: 'records' })
    expect(channel.write(record)).toBe(true)
    await next.ended
    let bytes = 0
    while (bytes < 4 * RECORD_BYTES) bytes += (await stream.next()).value?.bytes.length ?? 0
    expect(bytes).toBe(4 * RECORD_BYTES)
    expect(channel.tenureOf(0, 0)).toBeUndefined()
  })

  test('has no room to store a record in later: the next one may be another thread’s', async () => {
    const runtime = await started(2)
    const channel = runtime.open(shape)
    expect(() => channel.reserve(8)).toThrow('whose writers take turns')
  })
})

test('the coordinator that joins is CPU 0, which only stop() ends', async () => {
  const runtime = await started(2)
  expect(joinRuntime()).toBe(runtime.self)
  expect(runtime.cpus.map(({ number }) => number)).toEqual([0])
  expect(() => runtime.self.leave()).toThrow('cpu=0 is the coordinator itself: call stop()')
  expect(runtime.self.channels).toEqual([])
})

test('a worker that throws is heard of, whatever it throws and wherever it is', async () => {
  const runtime = await started(2)
  const warnings: string[] = []
  const hear = ({ message }: Error): void => void warnings.push(message)
  process.on('warning', hear)
  onTestFinished(() => void process.off('warning', hear))
  const nothing = await spawn(runtime, 'throws null')
  expect(await nothing.ended).toMatchObject({ how: 'crashed', exitCode: 1, error: { message: 'null' } })
  const left = await spawn(runtime, 'leaves, throws')
  const exit = left.worker.threadId < 0 ? undefined : once(left.worker, 'exit').catch(() => undefined)
  expect(await left.ended).toMatchObject({ how: expect.stringMatching(/left|crashed/) as string })
  await exit
  await expect.poll(() => warnings.join('\n')).toMatch(/cpu=1 crashed: Error: after it left/)
})

test('a closed channel still tells who wrote it when others were opened', async () => {
  const runtime = await started(2)
  const shape = { subbufSize: 4096, subbufCount: 4 }
  const first = runtime.open({ name: 'first', ...shape })
  const cpu = await runtime.spawn(FILE, { workerData: { how: 'writes once', channel: 'first' } })
  await cpu.ended
  const pending = first.consume({ cpu: 1 }).next()
  first.close()
  const second = runtime.open({ name: 'second', ...shape })
  const { value } = await pending
  expect(value).toMatchObject({ cpu: 1, records: 1 })
  expect(first.tenureOf(1, 0)).toEqual({ generation: 1, threadId: cpu.threadId })
  expect(second.tenureOf(1, 0)).toBe(undefined)
})

test('stop asks also the threads that joined by themselves', async () => {
  const runtime = await startRuntime({ possibleCpus: 2 })
  const worker = new Worker(FILE, { workerData: { how: 'listens' } })
  const exit = once(worker, 'exit')
  await expect.poll(() => runtime.cpus.length).toBe(2)
  await expect(runtime.stop({ deadlineMs: NaN })).rejects.toThrow('deadlineMs=NaN')
  await runtime.stop()
  expect(await exit).toEqual([0])
})

test('workers in a row leave neither descriptors nor places behind', async () => {
  const runtime = await started(3)
  open(runtime)
  const descriptors = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0)
  let before = 0
  for (let round = 0; round < 16; round += 1) {
    if (round === 6) before = descriptors()
    const cpus = await Promise.all([spawn(runtime, 'leaves'), spawn(runtime, 'parks')])
    await Promise.all([cpus[0].ended, runtime.retire(cpus[1], { force: true })])
    if (cpus[0].worker.threadId >= 0) await once(cpus[0].worker, 'exit')
  }
  expect(descriptors()).toBeLessThanOrEqual(before + 2)
  expect(runtime.cpus.map(({ number }) => number)).toEqual([0])
})
