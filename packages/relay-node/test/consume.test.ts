/** Consumers of relay channels that real threads write. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import {
  ChannelConsumer,
  Relay,
  type ConsumerTotals,
  type RelayChannel,
  type RelayOptions,
} from '@rchan/relay'
import { consume, setUpFiles, startConsumer, threadMachine } from '@rchan/relay-node'
import { fillingDisk } from '../../rchan/test/ways/disks.mjs'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

const ATTEMPTS = 0
const ACCEPTED = 1
const STOP = 2
const SHAPE = { subbufSize: 1024, subbufCount: 8 }
const SINK = new URL('./collecting-sink.mjs', import.meta.url)

let dir: string
let relay: Relay
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rchan-consume-'))
  relay = new Relay(threadMachine())
})
afterEach(() => {
  relay.leave()
  rmSync(dir, { recursive: true, force: true })
})

interface Writer {
  readonly worker: Worker
  readonly words: Int32Array<SharedArrayBuffer>
  readonly exited: Promise<unknown>
  readonly cpu: number
}

async function write(channel: RelayChannel, options: Record<string, unknown>): Promise<Writer> {
  const words = new Int32Array(new SharedArrayBuffer(16))
  const workerData = { memory: relay.memory, channelId: channel.id, words, count: 1e9, ...options }
  const worker = new Worker(new URL('./consume-writer.mjs', import.meta.url), { workerData })
  onTestFinished(() => worker.terminate().then(() => undefined))
  const exited = once(worker, 'exit')
  const [cpu] = (await once(worker, 'message')) as [number]
  return { worker, words, exited, cpu }
}

function open(options: Partial<RelayOptions> = {}): RelayChannel {
  return relay.open({ ...SHAPE, ...options })
}

/** The numbers of the records in some bytes, in order. @throws for a torn record. */
function numbersIn(bytes: Uint8Array, cpu: number): number[] {
  expect(bytes.length % 16).toBe(0)
  const copy = Uint8Array.from(bytes)
  const words = new Uint32Array(copy.buffer)
  const numbers: number[] = []
  for (let at = 0; at < words.length; at += 4) {
    const number = words[at + 1]
    if (words[at] !== cpu || words[at + 2] !== (number ^ 0x5a5a5a5a) >>> 0) throw new Error(`torn at ${at}`)
    if (words[at + 3] !== (number * 31 + cpu) >>> 0) throw new Error(`torn at ${at}`)
    numbers.push(number)
  }
  return numbers
}

function areAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > numbers[index - 1])
}

function sum(totals: readonly ConsumerTotals[], key: 'records' | 'overwritten' | 'bytes'): number {
  return totals.reduce((all, each) => all + each[key], 0)
}

/** The lines of a program that ends by itself. */
async function run(lines: readonly string[]): Promise<string[]> {
  const head = [
    "import { Relay } from '@rchan/relay'",
    "import { consume, startConsumer, threadMachine } from '@rchan/relay-node'",
    'const relay = new Relay(threadMachine())',
    'const channel = relay.open({ subbufSize: 64, subbufCount: 4 })',
  ]
  const program = new URL(`./tmp-${process.pid}-${Math.random().toString(36).slice(2)}.mjs`, import.meta.url)
  writeFileSync(program, [...head, ...lines].join('\n'))
  onTestFinished(() => rmSync(program))
  const { stdout } = await promisify(execFile)(process.execPath, [program.pathname], { timeout: 20_000 })
  return stdout.trim().split('\n')
}

describe('an async iterator', () => {
  test.each(['discard', 'overwrite'] as const)(
    'a slow one never slows a writer, and what it did not get is counted: %s',
    async (mode) => {
      const channel = open({ mode })
      const writer = await write(channel, { count: 40_000 })
      void writer.exited.then(() => channel.close())
      const numbers: number[] = []
      let records = 0
      let overwritten = 0
      for await (const subbuf of consume(channel)) {
        numbers.push(...numbersIn(subbuf.bytes, subbuf.cpu))
        records += subbuf.records
        overwritten += subbuf.overwritten
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      expect(areAscending(numbers)).toBe(true)
      expect(numbers.length).toBe(records)
      const attempts = Atomics.load(writer.words, ATTEMPTS)
      const accepted = Atomics.load(writer.words, ACCEPTED)
      expect(records + overwritten).toBe(accepted)
      expect(attempts).toBe(40_000)
      expect(mode === 'discard' ? overwritten : attempts - accepted).toBe(0)
    },
  )

  test('a break leaves the rest to the next one', async () => {
    const channel = open({ subbufCount: 64 })
    const writer = await write(channel, { count: 2000 })
    await writer.exited
    channel.flush()
    const numbers: number[] = []
    for await (const { bytes, cpu } of consume(channel)) {
      numbers.push(...numbersIn(bytes, cpu))
      if (numbers.length > 1000) break
    }
    channel.close()
    // Too late: the memory of a closed channel that nobody holds is gone.
    await expect(consume(channel).next()).rejects.toThrow(`channel=${channel.id} was closed`)

    const other = open({ subbufCount: 64 })
    const again = await write(other, { count: 2000 })
    await again.exited
    const found: number[] = []
    for (let round = 0; round < 3; round += 1) {
      for await (const { bytes, cpu } of consume(other)) {
        found.push(...numbersIn(bytes, cpu))
        if (round < 2 || found.length === 2000) break
      }
    }
    expect(found).toEqual(Array.from({ length: 2000 }, (_, number) => number))
  })

  test('a pending next ends at a close, an abort and a return; and a second consumer is refused', async () => {
    const channel = open()
    relay.comeOnline()
    const first = consume(channel)
    const pending = first.next()
    await expect(consume(channel).next()).rejects.toThrow('has a consumer already (in this thread)')
    await first.return()
    expect(await pending).toEqual({ done: true, value: undefined })

    const abort = new AbortController()
    const second = consume(channel, { signal: abort.signal })
    const waits = second.next()
    abort.abort()
    expect(await waits).toEqual({ done: true, value: undefined })
    expect(await consume(channel, { signal: abort.signal }).next()).toEqual({ done: true, value: undefined })

    const third = consume(channel)
    const closes = [third.next(), third.next()]
    channel.close()
    expect(await Promise.all(closes)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    relay.goOffline()
  })

  test('each switch of a thread wakes a pending next', async () => {
    const channel = open({ subbufSize: 16, subbufCount: 512 })
    const subbufs = consume(channel)
    const writer = await write(channel, { count: 300, pauseEvery: 1, parks: true })
    for (let number = 0; number < 299; number += 1) {
      const { value } = await subbufs.next()
      expect(numbersIn(value?.bytes ?? new Uint8Array(1), writer.cpu)).toEqual([number])
    }
    await subbufs.return()
    Atomics.store(writer.words, STOP, 1)
    Atomics.notify(writer.words, STOP)
  })

  test('a pending next holds the process, and after unref it does not', async () => {
    const pending = ["process.on('exit', () => console.log('exit'))", 'const subbufs = consume(channel)']
    expect(await run([...pending, 'subbufs.unref()', 'void subbufs.next()'])).toEqual(['exit'])
    expect(await run([...pending, 'void subbufs.next()', 'subbufs.unref()'])).toEqual(['exit'])
    const held = [
      'setTimeout(() => { console.log(1); channel.close() }, 300).unref()',
      'await subbufs.next()',
    ]
    expect(await run([...pending, ...held])).toEqual(['1', 'exit'])
    // An iterator that nobody asks holds nothing.
    expect(await run([...pending])).toEqual(['exit'])
  })
})

describe('a consumer that blocks', () => {
  test('it sleeps until one of many channels has something, and misses no wake-up', async () => {
    const channels = Array.from({ length: 8 }, () =>
      open({ subbufSize: 64, subbufCount: 4, mode: 'overwrite' }),
    )
    using consumer = new ChannelConsumer(channels)
    const writers = await Promise.all(
      channels.map((channel, cpu) => write(channel, { count: 2000, cpu, pauseEvery: 8 })),
    )
    let found = 0
    const isBusy = (): boolean => writers.some(({ words }) => Atomics.load(words, ATTEMPTS) < 2000)
    // A wake-up that is missed would cost the whole deadline.
    while (isBusy()) {
      const subbuf = consumer.next(10_000)
      if (subbuf === undefined) expect(isBusy()).toBe(false)
      else found += numbersIn(subbuf.bytes, subbuf.cpu).length
    }
    await Promise.all(writers.map(({ exited }) => exited))
    for (const channel of channels) channel.close()
    while (!consumer.isOver) consumer.next(1000)
    expect(found).toBeGreaterThan(0)
    expect(sum(consumer.totals, 'records') + sum(consumer.totals, 'overwritten')).toBe(8 * 2000)
  })

  test('a deadline ends the wait', () => {
    relay.comeOnline()
    const channel = open()
    using consumer = new ChannelConsumer(channel)
    expect(consumer.next(5)).toBeUndefined()
    expect(consumer.next(Number.NaN)).toBeUndefined()
    expect(consumer.isOver).toBe(false)
    channel.close()
    expect([consumer.next(), consumer.isOver]).toEqual([undefined, true])
  })

  test('writers that are terminated at any moment leave all that was accepted', async () => {
    let seed = 20251126
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return (seed >>> 8) % below
    }
    console.log(`seed=${seed}`)
    const channel = open()
    using consumer = new ChannelConsumer(channel)
    const numbers: number[] = []
    let records = 0
    const take = (timeoutMs: number): boolean => {
      const subbuf = consumer.next(timeoutMs)
      if (subbuf === undefined) return false
      numbers.push(...numbersIn(subbuf.bytes, subbuf.cpu))
      records += subbuf.records
      return true
    }
    let from = 0
    let accepted = 0
    for (let round = 0; round < 20; round += 1) {
      const writer = await write(channel, { cpu: 1, from, pauseEvery: 1 + random(40) })
      const parts = random(6)
      for (let part = 0; part < parts; part += 1) take(10)
      await writer.worker.terminate()
      // Nobody rings: the consumer looks for deaths by itself.
      const wanted = accepted + Atomics.load(writer.words, ACCEPTED)
      while (numbers.length < wanted && take(10_000)) {}
      // The last one may have been accepted, and not counted by its writer.
      while (take(0)) {}
      expect(numbers.length - wanted).toBeLessThanOrEqual(1)
      expect(numbers.length).toBeGreaterThanOrEqual(wanted)
      accepted = numbers.length
      from += Atomics.load(writer.words, ATTEMPTS)
    }
    expect(records).toBe(numbers.length)
    expect(areAscending(numbers)).toBe(true)
  }, 30_000)
})

describe('a consumer thread', () => {
  const start = (channels: readonly RelayChannel[], init: Record<string, unknown> = {}, more = {}) =>
    startConsumer(relay, { channels, sink: SINK, init: { dir, ...init }, ...more })
  const collected = (cpu: number): number[] => numbersIn(readFileSync(join(dir, `cpu${cpu}`)), cpu)

  test('it hands all to the functions of a module, and stop drains', async () => {
    const channel = open({ subbufCount: 1024 })
    const global = open({ isGlobal: true })
    const thread = await start([channel])
    const writers = await Promise.all(
      [0, 1, 2].map((cpu) => write(channel, { count: 10_000, cpu, parks: true })),
    )
    while (writers.some(({ words }) => Atomics.load(words, ATTEMPTS) < 10_000))
      await new Promise((resolve) => setTimeout(resolve, 5))
    // The last record of each is in a sub-buffer that is not complete, of a thread that is parked.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const totals = await thread.stop()
    for (const { cpu } of writers)
      expect(collected(cpu)).toEqual(Array.from({ length: 10_000 }, (_, at) => at))
    expect(sum(totals, 'bytes')).toBe(30_000 * 16)
    expect(JSON.parse(readFileSync(join(dir, 'totals.json'), 'utf8'))).toEqual(totals)
    expect(await thread.stop()).toBe(totals)
    await expect(thread.flush()).rejects.toThrow('has ended')
    expect(global.isOpen).toBe(true)
    for (const { words } of writers) {
      Atomics.store(words, STOP, 1)
      Atomics.notify(words, STOP)
    }
  })

  test('a flush interval delivers what a parked thread has written, and a close ends the thread', async () => {
    const channel = open()
    const thread = await start([channel], {}, { flushIntervalMs: 20 })
    const writer = await write(channel, { count: 3, parks: true })
    const path = join(dir, `cpu${writer.cpu}`)
    while (!existsSync(path) || readFileSync(path).length < 48)
      await new Promise((resolve) => setTimeout(resolve, 5))
    channel.close()
    expect(sum(await thread.ended, 'records')).toBe(3)
    Atomics.store(writer.words, STOP, 1)
    Atomics.notify(writer.words, STOP)
  })

  test.each([
    [
      'a module that is not there',
      new URL('./nowhere.mjs', import.meta.url),
      {},
      /nowhere\.mjs could not be loaded: Cannot find module/,
    ],
    [
      'a module without the function',
      new URL('./no-sink.mjs', import.meta.url),
      {},
      /no-sink\.mjs could not be loaded: it exports no function write/,
    ],
    [
      'a start that throws',
      SINK,
      { startThrows: true },
      /start of the sink .*collecting-sink\.mjs failed: no start today/,
    ],
  ])('%s is a clear error, and the buffers are free', async (_, sink, init, message) => {
    const channel = open()
    relay.comeOnline()
    await expect(startConsumer(relay, { channels: [channel], sink, init: { dir, ...init } })).rejects.toThrow(
      message,
    )
    using consumer = new ChannelConsumer(channel)
    expect(consumer.isOver).toBe(false)
    relay.goOffline()
  })

  test('a relative module is refused', async () => {
    await expect(startConsumer(relay, { channels: [open()], sink: './sink.js' })).rejects.toThrow(
      "sink=./sink.js is no absolute URL: new URL('./sink.js', import.meta.url) is",
    )
  })

  test.each([
    [
      'throws at a sub-buffer',
      { throwsAt: 5 },
      /^the sink .* failed at sequence=\d+ of cpu=\d, channel=\d+, which stays in its buffer: the disk is gone$/,
    ],
    ['ends its thread', { dies: 5 }, /^the consumer thread ended before its time, with exit code 3$/],
  ])('a sink that %s loses nothing, and the next consumer goes on', async (_, init, message) => {
    const channel = open({ subbufCount: 512 })
    const writers = await Promise.all(
      [0, 1].map((cpu) => write(channel, { count: 5000, cpu, pauseEvery: 500 })),
    )
    let told: Error | undefined
    const thread = await start([channel], init, { onError: (error: Error) => (told = error) })
    await expect(thread.ended).rejects.toThrow(message)
    expect(told?.message).toMatch(message)
    expect(thread.error).toBe(told)
    await expect(thread.stop()).rejects.toThrow(message)
    const other = await start([channel])
    await Promise.all(writers.map(({ exited }) => exited))
    await other.stop()
    for (const { cpu } of writers)
      expect(collected(cpu)).toEqual(Array.from({ length: 5000 }, (_u, at) => at))
  })

  test('consumers that are terminated at any moment: what they had not given back comes again', async () => {
    const channel = open({ subbufCount: 512 })
    const writer = await write(channel, { count: 20_000, cpu: 1, pauseEvery: 50 })
    const isWriting = (): boolean => Atomics.load(writer.words, ATTEMPTS) < 20_000
    for (let delayMs = 3; isWriting(); delayMs = (delayMs * 7) % 23) {
      const thread = await start([channel], { slowMs: 1 }, { flushIntervalMs: 1, onError: () => undefined })
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      await thread.terminate()
      await thread.ended.catch(() => undefined)
    }
    await writer.exited
    const last = await start([channel])
    await last.stop()
    const numbers = collected(1)
    expect(new Set(numbers).size).toBe(20_000)
  }, 30_000)

  test('a second consumer is refused while it lives', async () => {
    const channel = open()
    relay.comeOnline()
    const thread = await start([channel])
    await expect(consume(channel, { cpu: relay.cpu }).next()).rejects.toThrow('has a consumer already')
    await expect(start([channel])).rejects.toThrow(
      /can not consume: cpu=\d+ of channel=\d+ has a consumer already/,
    )
    await thread.stop()
    relay.goOffline()
  })

  test('the thread does not hold the process', async () => {
    const lines = [
      `await startConsumer(relay, { channels: [channel], sink: ${JSON.stringify(SINK.href)}, init: { dir: ${JSON.stringify(dir)} } })`,
      "process.on('exit', () => console.log('exit'))",
    ]
    expect(await run(lines)).toEqual(['exit'])
  })
})

describe('late files', () => {
  test('what was written before is in them, and what follows', async () => {
    const channel = open({ subbufCount: 512 })
    const writers = await Promise.all(
      [1, 2].map((cpu) => write(channel, { count: 5000, cpu, pauseEvery: 100 })),
    )
    const before = writers.map(({ words }) => Atomics.load(words, ACCEPTED))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const files = await setUpFiles(relay, channel, { dir: pathToFileURL(join(dir, 'a', 'b')) })
    for (const [at, { cpu }] of writers.entries()) {
      const numbers = numbersIn(readFileSync(join(dir, 'a', 'b', `cpu${cpu}`)), cpu)
      expect(numbers.length).toBeGreaterThanOrEqual(before[at])
    }
    await expect(setUpFiles(relay, channel, { dir })).rejects.toMatchObject({ code: 'exists' })
    const late = await write(channel, { count: 100, cpu: 3 })
    await Promise.all([...writers, late].map(({ exited }) => exited))
    channel.close()
    await files.ended
    for (const cpu of [1, 2])
      expect(numbersIn(readFileSync(join(dir, 'a', 'b', `cpu${cpu}`)), cpu).length).toBe(5000)
    expect(numbersIn(readFileSync(join(dir, 'a', 'b', 'cpu3')), 3).length).toBe(100)
  })

  test('half a set-up leaves nothing, and can be tried again', async () => {
    const channel = open()
    for (const cpu of [0, 1]) await (await write(channel, { count: 10, cpu })).exited
    const path = join(dir, 'out')
    mkdirSync(path)
    writeFileSync(join(path, 'cpu1'), 'mine')
    await expect(setUpFiles(relay, channel, { dir: path })).rejects.toThrow(/EEXIST/)
    expect(readdirSync(path)).toEqual(['cpu1'])
    const under = join(path, 'cpu1', 'deep')
    await expect(setUpFiles(relay, channel, { dir: under })).rejects.toThrow(/ENOTDIR|EEXIST/)
    for (const wrong of ['', 'file:///out', new URL('https://example.org/out')]) {
      await expect(setUpFiles(relay, channel, { dir: wrong })).rejects.toMatchObject({ code: 'invalid' })
    }
    await expect(setUpFiles(relay, channel, { dir, baseFilename: '../x' })).rejects.toMatchObject({
      code: 'invalid',
    })
    await expect(setUpFiles(relay, channel, { folder: path } as never)).rejects.toThrow(
      'setUpFiles: unknown option folder; there are dir, baseFilename',
    )
    // Node's recursive mkdir would never return.
    if (process.platform === 'linux')
      await expect(setUpFiles(relay, channel, { dir: '/proc/self/a/b' })).rejects.toMatchObject({
        code: 'invalid',
        cause: { code: 'ENOENT' },
      })
    const files = await setUpFiles(relay, channel, { dir: join(dir, 'new') })
    await files.stop()
    expect(numbersIn(readFileSync(join(dir, 'new', 'cpu0')), 0).length).toBe(10)
    expect(readFileSync(join(path, 'cpu1'), 'utf8')).toBe('mine')
  })

  test('on a disk that is too small keep what they have, and the rest goes into another folder', async (context) => {
    const lacks = fillingDisk.lacks()
    context.skip(lacks !== undefined, lacks)
    const disk = fillingDisk.make(dir, { whole: (least) => least })
    // Before the folder is removed.
    using _disk = { [Symbol.dispose]: () => disk.unmount() }
    const channel = open({ subbufCount: 512 })
    const { words, exited } = await write(channel, { count: 20_000, cpu: 0 })
    await exited
    await expect(setUpFiles(relay, channel, { dir: disk.folder })).rejects.toMatchObject({
      code: 'unwritten',
      message: expect.stringContaining(`what was taken stays in ${disk.folder}`) as string,
      cause: { code: 'ENOSPC' },
    })
    const files = await setUpFiles(relay, channel, { dir: join(dir, 'rest') })
    await files.stop()
    const all = [disk.folder, join(dir, 'rest')].map((folder) => readFileSync(join(folder, 'cpu0')))
    expect(all[0].length).toBeGreaterThan(0)
    expect(numbersIn(Buffer.concat(all), 0).length).toBe(Atomics.load(words, ACCEPTED))
  })
})
