/**
 * Threads that leave a relay where no death can be proven, so that nothing of theirs is free unless
 * they leave it so.
 *
 * Forbidden: an entry, a CPU, a buffer or memory that is lost with a thread that left; memory that
 * is used again while another thread holds it; a thread that has left and touches what may be
 * another's.
 */
import { plainMachine, Relay, RelayFile, type Machine, type RelayCallbacks } from '@rchan/relay'
import { MAX_MEMBERS } from '@rchan/relay/internal'
import { describe, expect, test } from 'vitest'
import { makeRecord, walkRecords } from '../../../test/records.mjs'
import { bufferIn, FakeThreads } from './fake-threads.js'

const LEFT = 'this thread has left the relay'

/** A machine that proves nothing. */
function machine(identity: number): Machine {
  return { identity, log: () => undefined }
}

/** A relay of such machines, with room for one buffer of the shape. */
const SHAPE = { subbufSize: 4096, subbufCount: 2 }
function relayOf(fileCallbacks: RelayCallbacks = {}, buffers = 1): Relay {
  return new Relay(machine(-1), { possibleCpus: 2, memoryBytes: buffers * 4 * 4096, fileCallbacks })
}

function numbersIn(file: RelayFile): number[] {
  const bytes = file.readBytes(2 ** 16)
  return walkRecords(bytes, 0, bytes.length)
}

test('200 threads take part one after the other, each online, with a channel, a buffer, a file and a mapping', () => {
  const relay = relayOf()
  for (let i = 0; i < 200; i += 1) {
    const thread = Relay.attach(relay.memory, machine(-2 - i))
    expect(thread.comeOnline()).toBe(0)
    const channel = thread.open(SHAPE)
    const buffer = bufferIn(thread, channel.id, 0)
    buffer.write(makeRecord(8, i))
    new RelayFile(buffer).mmap(channel.allocSize)
    channel.close()
    thread.leave()
  }
  expect([relay.channels, relay.onlineCpus]).toEqual([[], []])
})

test('64 threads are in a relay; the 65th takes the entry of the one that leaves, during its look at it, too', () => {
  const threads = new FakeThreads()
  const members = Array.from({ length: MAX_MEMBERS - 1 }, () => threads.attach())
  members[20].relay.leave()
  const again = threads.attach()
  expect(() => threads.attach()).toThrow('all of them live')
  let looks = 0
  threads.whileLooking = (identity) => {
    looks += 1
    if (identity === again.identity) again.relay.leave()
  }
  threads.attach()
  // In the first round, which found that its entry had changed.
  expect(looks).toBeLessThan(MAX_MEMBERS)
})

test('what a thread wrote stays, and the next goes on behind it, also on its CPU', () => {
  const relay = relayOf()
  const first = Relay.attach(relay.memory, machine(-2))
  const second = Relay.attach(relay.memory, machine(-3))
  first.comeOnline()
  const { id } = first.open(SHAPE)
  bufferIn(first, id, 0).write(makeRecord(8, 0))
  expect(() => bufferIn(second, id, 0).write(makeRecord(8, 1))).toThrow('another thread, which lives')
  first.leave()
  expect(second.channel(id)?.isOrphan).toBe(true)
  expect(second.comeOnline()).toBe(0)
  bufferIn(second, id, 0).write(makeRecord(8, 1))
  expect(numbersIn(new RelayFile(bufferIn(second, id, 0)))).toEqual([0, 1])
  second.channel(id)?.close()
  expect(relay.channels).toEqual([])
})

test('memory that another thread holds is kept for it', () => {
  const relay = relayOf()
  relay.comeOnline()
  const thread = Relay.attach(relay.memory, machine(-2))
  const channel = relay.open(SHAPE)
  bufferIn(thread, channel.id, 0).write(makeRecord(8, 7))
  const file = new RelayFile(bufferIn(relay, channel.id, 0))
  channel.close()
  thread.leave()
  expect(() => relay.open(SHAPE)).toThrow('no buffer')
  expect(numbersIn(file)).toEqual([7])
  file.release()
  expect(relay.open(SHAPE).isOpen).toBe(true)
})

test('files and mappings go with the thread: its client is told, and nothing can be done with them', () => {
  const told: string[] = []
  const callbacks = { bufMapped: () => told.push('mapped'), bufUnmapped: () => told.push('unmapped') }
  const relay = relayOf()
  relay.comeOnline()
  const channel = relay.open({ ...SHAPE, callbacks })
  const file = new RelayFile(bufferIn(relay, channel.id, 0))
  file.mmap(channel.allocSize)
  const mapped = new RelayFile(bufferIn(relay, channel.id, 0))
  mapped.mmap(channel.allocSize)
  mapped.release()
  relay.leave()
  expect(told).toEqual(['mapped', 'mapped', 'unmapped', 'unmapped'])
  for (const run of [
    () => file.readBytes(8),
    () => file.poll(),
    () => file.wait(0),
    () => file.mmap(channel.allocSize),
    () => file.release(),
  ])
    expect(run).toThrow('a relay file of a relay that this thread has left')
  expect(file.isOpen).toBe(false)
})

test('files of a channel that was closed go with the thread, too, though it has looked for other channels since', () => {
  const relay = relayOf({}, 2)
  relay.comeOnline()
  const thread = Relay.attach(relay.memory, machine(-2))
  const channel = relay.open(SHAPE)
  channel.write(0, makeRecord(8, 7))
  const file = new RelayFile(bufferIn(thread, channel.id, 0))
  channel.close()
  relay.goOffline()
  relay.comeOnline()
  relay.open(SHAPE)
  // Finds the new channel, and forgets what is over.
  expect(thread.channels.length).toBe(1)
  const read = (): unknown =>
    file.read(8, () => {
      expect(() => thread.leave()).toThrow('a callback of a relay must not leave it')
      return true
    })
  expect(read()).toBe(8)
  thread.leave()
  expect(read).toThrow('a relay file of a relay that this thread has left')
})

test('a client must not leave the relay while it is told of a mapping', () => {
  const told: string[] = []
  const leave = (what: string): void => {
    expect(() => relay.leave()).toThrow('a callback of a relay must not leave it')
    told.push(what)
  }
  const callbacks = { bufMapped: () => leave('mapped'), bufUnmapped: () => leave('unmapped') }
  const relay = relayOf()
  relay.comeOnline()
  const channel = relay.open({ ...SHAPE, callbacks })
  const file = new RelayFile(bufferIn(relay, channel.id, 0))
  file.mmap(channel.allocSize)
  file.munmap()
  file.mmap(channel.allocSize)
  relay.leave()
  expect(told).toEqual(['mapped', 'unmapped', 'mapped', 'unmapped'])
})

test('the file thread is told that a mapping is undone because its thread leaves', () => {
  const told: string[] = []
  const threads = new FakeThreads({
    fileCallbacks: { bufMapped: () => told.push('mapped'), bufUnmapped: () => told.push('unmapped') },
  })
  threads.fileThread.comeOnline()
  const thread = threads.attach()
  threads.stepMs = 1
  threads.whileWaiting = () => void threads.fileThread.serve()
  const channel = thread.relay.open({ subbufSize: 4096, subbufCount: 2 })
  new RelayFile(bufferIn(thread.relay, channel.id, 0)).mmap(channel.allocSize)
  thread.relay.leave()
  expect(told).toEqual(['mapped', 'unmapped'])
})

test('after it every call fails, and says why; a second leave does nothing', () => {
  const relay = relayOf()
  relay.comeOnline()
  const channel = relay.open(SHAPE)
  const buffer = bufferIn(relay, channel.id, 0)
  buffer.write(makeRecord(8, 0))
  relay[Symbol.dispose]()
  relay.leave()
  expect(relay.cpu).toBe(-1)
  expect(relay.serve()).toBe(false)
  const calls: Record<string, () => unknown> = {
    open: () => relay.open(SHAPE),
    channels: () => relay.channels,
    channel: () => relay.channel(channel.id),
    comeOnline: () => relay.comeOnline(),
    goOffline: () => relay.goOffline(),
    prepareCpu: () => relay.prepareCpu(1),
    serveFromEventLoop: () => relay.serveFromEventLoop(),
    'channel.write': () => channel.write(0, makeRecord(8, 1)),
    'channel.reserve': () => channel.reserve(0, 8),
    'channel.buffer': () => channel.buffer(0),
    'channel.flush': () => channel.flush(),
    'channel.reset': () => channel.reset(),
    'channel.close': () => channel.close(),
    'channel.lateSetupFiles': () => channel.lateSetupFiles('late'),
    'channel.subbufsConsumed': () => channel.subbufsConsumed(0, 1),
    'buffer.write': () => buffer.write(makeRecord(8, 1)),
    'buffer.reserve': () => buffer.reserve(8),
    'buffer.switch': () => buffer.switch(8),
    'buffer.reset': () => buffer.reset(),
    'buffer.subbufsConsumed': () => buffer.subbufsConsumed(1),
    'new RelayFile': () => new RelayFile(buffer),
  }
  for (const [name, call] of Object.entries(calls)) expect(call, name).toThrow(LEFT)
  // And none of them touched what another one has there now.
  const other = Relay.attach(relay.memory, machine(-2))
  expect(numbersIn(new RelayFile(bufferIn(other, channel.id, 0)))).toEqual([0])
  other.channel(channel.id)?.close()
  expect(other.channels).toEqual([])
})

test('a relay of one thread is left like any other', () => {
  const relay = new Relay(plainMachine(1))
  const channel = relay.open(SHAPE)
  channel.write(0, makeRecord(8, 0))
  relay.leave()
  expect(() => channel.write(0, makeRecord(8, 1))).toThrow(LEFT)
})

describe('when the file thread has left', () => {
  test('files are made and removed no more, which is said at once; all else goes on', () => {
    const files: string[] = []
    const createBufFile: RelayCallbacks['createBufFile'] = (name) =>
      name === undefined ? undefined : files.push(name)
    const relay = relayOf({ createBufFile }, 2)
    const thread = Relay.attach(relay.memory, machine(-2))
    relay.comeOnline()
    const channel = relay.open({ ...SHAPE, baseFilename: 'a', callbacks: { createBufFile: () => ({}) } })
    relay.serveFromEventLoop()
    relay.leave()
    expect(bufferIn(thread, channel.id, 0).write(makeRecord(8, 3))).toBe(true)
    expect(thread.comeOnline()).toBe(0)
    expect(numbersIn(new RelayFile(bufferIn(thread, channel.id, 0)))).toEqual([3])
    expect(() => thread.open({ ...SHAPE, baseFilename: 'b' })).toThrow(
      'the file thread of the relay has ended, or left it',
    )
    expect(thread.serve()).toBe(false)
    thread.channel(channel.id)?.close()
    expect(thread.channels).toEqual([])
    expect(files).toEqual([])
  })
})

test('within a callback it is refused, and nothing has changed', () => {
  const refused: string[] = []
  const tryLeave = (where: string): void => {
    try {
      relay.leave()
    } catch (error) {
      refused.push(`${where}: ${(error as Error).message}`)
    }
  }
  const relay = relayOf()
  relay.comeOnline()
  const channel = relay.open({
    ...SHAPE,
    baseFilename: 'cpu',
    callbacks: {
      createBufFile: () => (tryLeave('createBufFile'), {}),
      subbufStart: () => (tryLeave('subbufStart'), true),
    },
  })
  channel.write(0, makeRecord(8, 0))
  const file = new RelayFile(bufferIn(relay, channel.id, 0))
  file.poll(() => {
    tryLeave('wake')
    expect(() => relay.goOffline()).toThrow('within a wake')
  })
  channel.flush()
  file.read(8, () => (tryLeave('read'), true))
  const where = new Set(refused.map((text) => text.split(':')[0]))
  expect([...where]).toEqual(['createBufFile', 'subbufStart', 'wake', 'read'])
  expect(new Set(refused.map((text) => text.split(': ')[1]))).toEqual(
    new Set(['a callback of a relay must not leave it']),
  )
  expect(channel.write(0, makeRecord(8, 1))).toBe(true)
  relay.leave()
})
