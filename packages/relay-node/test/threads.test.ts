/**
 * A relay of several threads: each writes its own CPU, one drains, and any of them opens and
 * closes.
 *
 * Forbidden: a torn record delivered; in discard mode a record delivered twice, out of order, or
 * never; a sub-buffer started without its header; a thread that waits forever; after all channels
 * are closed, a leftover channel, file, member or memory, a file that was removed twice, a held
 * lock.
 */
import { Relay, RelayFile, type RelayBuffer, type RelayOptions } from '@rchan/relay'
import { RELAY, SLOT, SLOT_BYTES } from '@rchan/relay/internal'
import { threadMachine } from '@rchan/relay-node'
import { afterEach, describe, expect, test } from 'vitest'
import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { checkRecord } from '../../../test/records.mjs'
import { makeRandom, RelayThread, sleep, until } from './relay-thread.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
const DEADLINE_MS = 30_000
const MODULE = new URL('header-module.mjs', import.meta.url).href

afterEach(() => RelayThread.terminateAll())

/** A relay whose file thread is this thread. It knows the files, and what was wrong with them. */
class Subject {
  readonly files = new Map<object, { readonly name: string; readonly buffer: RelayBuffer }>()
  readonly wrong: string[] = []
  readonly relay: Relay
  made = 0
  constructor(possibleCpus: number, memoryBytes: number) {
    this.relay = new Relay(
      threadMachine((level, message) => this.wrong.push(`${level}: ${message}`)),
      { possibleCpus, memoryBytes, fileCallbacks: this.callbacks },
    )
  }

  readonly callbacks = {
    createBufFile: (
      name: string | undefined,
      _parent: unknown,
      _mode: number,
      buffer: RelayBuffer,
    ): unknown => {
      if (name === undefined) return undefined
      const file = {}
      this.made += 1
      this.files.set(file, { name, buffer })
      return file
    },
    removeBufFile: (file: unknown): void => {
      if (file !== undefined && !this.files.delete(file as object)) this.wrong.push('removed twice')
    },
  }
}

/** The bytes read of one CPU: records of any length, sometimes behind a header. */
class Stream {
  next = 0
  headers = 0
  readonly #headerBytes: number
  readonly #mark: number

  constructor(headerBytes: number, mark: number) {
    this.#headerBytes = headerBytes
    this.#mark = mark
  }

  /** Takes bytes that end where a record does. */
  take(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < bytes.length;) {
      const length = view.getUint16(at, true)
      if (length === 0 && this.#headerBytes > 0) {
        expect(view.getUint16(at + 2, true)).toBe(this.#mark)
        if (this.#mark !== 0) expect(view.getUint32(at + 4, true)).toBe(this.headers)
        this.headers += 1
        at += this.#headerBytes
        continue
      }
      const number = view.getUint32(at + 2, true)
      if (number !== this.next) throw new Error(`record ${number} came where ${this.next} should`)
      checkRecord(bytes, at, length, number)
      this.next += 1
      at += length
    }
  }
}

async function startWriters(subject: Subject, options: RelayOptions, data: object): Promise<RelayThread[]> {
  const channel = subject.relay.open({ baseFilename: 'cpu', callbacks: subject.callbacks, ...options })
  subject.relay.serveFromEventLoop()
  const threads = [1, 2, 3].map(
    (seed) =>
      new RelayThread('write', {
        memory: subject.relay.memory,
        channelId: channel.id,
        seed: SEED + seed,
        ...data,
      }),
  )
  await Promise.all(threads.map((thread) => thread.ready()))
  for (const thread of threads) thread.go()
  return threads
}

/**
 * Reads all files until the threads are done and nothing is left; gives up when nothing comes any
 * more.
 */
async function drain(
  subject: Subject,
  threads: RelayThread[],
  take: (cpu: number, bytes: Uint8Array) => void,
) {
  const files = [...subject.files.values()].map(({ buffer }) => new RelayFile(buffer))
  let giveUpAtMs = performance.now() + DEADLINE_MS
  for (let turn = 0; ; turn += 1) {
    const isLast = threads.every((thread) => thread.isDone)
    if (isLast) await Promise.all(threads.map((thread) => thread.exited()))
    let bytes = 0
    for (const file of files) {
      const part = file.readBytes(2 ** 20)
      bytes += part.length
      take(file.buffer.cpu, part)
    }
    if (isLast && bytes === 0) break
    if (bytes > 0) giveUpAtMs = performance.now() + DEADLINE_MS
    if (performance.now() > giveUpAtMs) throw new Error('the writers are stuck')
    if (bytes === 0) files[turn % files.length].wait(0.2)
    await setImmediate()
  }
  for (const file of files) file.release()
}

describe('three threads write a channel, each its own CPU, and another one drains it:', () => {
  test.each([
    { what: 'discard mode', headerBytes: 0, mark: 0, options: { subbufSize: 256, subbufCount: 4 } },
    {
      what: 'header bytes',
      headerBytes: 8,
      mark: 0,
      options: { subbufSize: 128, subbufCount: 3, headerBytes: 8 },
    },
    {
      what: 'a subbufStart of a module that each of them loads',
      headerBytes: 8,
      mark: 0x5a5a,
      options: { subbufSize: 128, subbufCount: 3, module: MODULE },
    },
  ])(
    `every record is delivered once, in order, with $what (seed ${SEED})`,
    async ({ headerBytes, mark, options }) => {
      const count = 4_000
      const subject = new Subject(4, 2 ** 20)
      const threads = await startWriters(subject, options, {
        count,
        minBytes: 6,
        maxBytes: 60,
        loads: mark !== 0,
      })
      const streams = [0, 1, 2].map(() => new Stream(headerBytes, mark))
      await drain(subject, threads, (cpu, bytes) => streams[cpu].take(bytes))
      expect(streams.map(({ next }) => next)).toEqual([count, count, count])
      for (const { headers } of streams) expect(headers > 30).toBe(headerBytes > 0)
      for (const { buffer } of subject.files.values()) expect(buffer.memory.discarded().bad).toBe(0)
      subject.relay.channels[0].close()
      expect([subject.files.size, subject.wrong]).toEqual([0, []])
    },
  )

  // Records fill sub-buffers exactly, as the place of a file that was lapped may be anywhere.
  test(`nothing torn is delivered in overwrite mode (seed ${SEED})`, async () => {
    const count = 40_000
    const subject = new Subject(4, 2 ** 20)
    const options = { subbufSize: 128, subbufCount: 4, mode: 'overwrite', headerBytes: 16 } as const
    const threads = await startWriters(subject, options, { count, minBytes: 16, maxBytes: 16 })
    const seen = [0, 1, 2].map(() => new Set<number>())
    await drain(subject, threads, (cpu, bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      expect(bytes.length % 16).toBe(0)
      for (let at = 0; at < bytes.length; at += 16) {
        if (view.getUint16(at, true) === 0) continue
        const number = view.getUint32(at + 2, true)
        checkRecord(bytes, at, 16, number)
        expect(number).toBeLessThan(count)
        seen[cpu].add(number)
      }
    })
    for (const numbers of seen) {
      expect(numbers.size).toBeGreaterThan(0)
    }
    expect(subject.wrong).toEqual([])
  })
})

describe('a subbufStart', () => {
  async function writeOnce(options: Partial<RelayOptions>): Promise<unknown> {
    const { relay } = new Subject(4, 2 ** 20)
    relay.serveFromEventLoop()
    const channel = relay.open({ subbufSize: 64, subbufCount: 2, ...options })
    const { worker } = new RelayThread('writeOnce', { memory: relay.memory, channelId: channel.id })
    return ((await once(worker, 'message')) as unknown[])[0]
  }

  test('of a module that the thread has not loaded lets it not write', async () => {
    expect(await writeOnce({ module: MODULE })).toMatch(/cpu=0 .*module.* not loaded.* channel.load/)
  })

  test('that is a function of the opener lets no other thread write', async () => {
    const answer = await writeOnce({ callbacks: { subbufStart: () => true } })
    expect(answer).toMatch(/cpu=0 .*subbufStart of the thread that opened it.* module/)
  })
})

/**
 * Nothing is left of what threads did that have ended: closes what they left open, and looks
 * everywhere.
 */
async function expectNothingLeft(subject: Subject, memoryBytes: number): Promise<void> {
  const { relay } = subject
  const words = new Int32Array(relay.memory)
  for (const channel of relay.channels) channel.close()
  // A thread that was terminated is found dead a moment after its exit event.
  const left = (): string[] => [
    ...relay.channels.map(({ id }) => `channel ${id}`),
    ...[...subject.files.values()].map(({ name }) => name),
    ...relay.onlineCpus.map((cpu) => `cpu ${cpu}`),
  ]
  await until('nothing is left', () => left().length === 0).catch(() => undefined)
  expect(left()).toEqual([])
  expect(subject.wrong.filter((line) => !line.startsWith('warning: '))).toEqual([])
  expect(words[RELAY.listLock >> 2]).toBe(0)
  // All used memory is free and zero again, as the next thread to open a channel finds it.
  relay.open({ subbufSize: 8, subbufCount: 1 }).close()
  expect(words.subarray(RELAY.buffers / 4).findIndex((word) => word !== 0)).toBe(-1)
  const states = Array.from(
    { length: 64 },
    (_, slot) => words[(RELAY.slots + slot * SLOT_BYTES + SLOT.state) >> 2],
  )
  expect(states.filter((state) => state !== 0).length).toBeLessThanOrEqual(1)
  const large = relay.open({ subbufSize: 4096, subbufCount: memoryBytes / 4096 - 32 })
  expect(relay.prepareCpu(0)).toBe(true)
  large.close()
}

describe('threads that open, close and prepare CPUs at once', () => {
  const MEMORY_BYTES = 2 ** 23

  test.each([
    ['a file thread that serves from its event loop', false],
    ['a file thread that blocks and serves', true],
  ])(`leave nothing behind, with %s (seed ${SEED})`, async (_, blocks) => {
    const subject = new Subject(3, MEMORY_BYTES)
    const { relay } = subject
    if (!blocks) relay.serveFromEventLoop()
    const threads = [1, 2].map((n) => new RelayThread('operate', { memory: relay.memory, seed: SEED + n }))
    await until('both run', () => (relay.serve(), threads.every(({ isReady }) => isReady)), threads)
    while (subject.made < 150 || threads.some(({ count }) => count < 1500)) {
      for (const thread of threads) thread.mustBeWell()
      if (blocks) {
        relay.serve()
        sleep(0.1)
      } else await setImmediate()
    }
    const stopped = Promise.all(threads.map((thread) => thread.stop()))
    let isStopped = false
    void stopped.finally(() => (isStopped = true))
    await until('both have ended', () => (relay.serve(), isStopped))
    await stopped
    await expectNothingLeft(subject, MEMORY_BYTES)
  })

  test(`may be terminated at any moment, more of them than can take part at once (seed ${SEED})`, async () => {
    const random = makeRandom(SEED)
    const subject = new Subject(4, MEMORY_BYTES)
    const { relay } = subject
    relay.serveFromEventLoop()
    const survivor = new RelayThread('operate', { memory: relay.memory, seed: SEED })
    await survivor.ready()
    for (let round = 0; round < 34; round += 1) {
      const victims = [1, 2].map(
        (n) => new RelayThread('operate', { memory: relay.memory, seed: SEED + 2 * round + n }),
      )
      // Now and then terminated while they start, or join.
      if (random() < 0.8) await until('a victim runs', () => victims[0].isReady, [survivor, ...victims])
      await setTimeout(random() * 15)
      await Promise.all(victims.map((victim) => victim.terminate()))
      for (const { error } of victims) expect(error).toBeUndefined()
      const before = survivor.count
      await until('the others go on', () => survivor.count > before + 20, [survivor])
    }
    await survivor.stop()
    await expectNothingLeft(subject, MEMORY_BYTES)
  })
})

test('a thread learns that the file thread has ended', async () => {
  const fileThread = new RelayThread('beFileThread', {})
  const [memory] = (await once(fileThread.worker, 'message')) as [SharedArrayBuffer]
  const relay = Relay.attach(memory, threadMachine())
  await fileThread.terminate()
  relay.comeOnline()
  expect(() => relay.open({ baseFilename: 'x', subbufSize: 64, subbufCount: 2 })).toThrow(
    'the file thread of the relay has ended',
  )
  const channel = relay.open({ subbufSize: 64, subbufCount: 2 })
  expect(channel.write(0, new Uint8Array(8))).toBe(true)
  expect(relay.channels).toEqual([channel])
})
