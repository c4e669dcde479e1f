/**
 * Bad input to the relay face: each has a defined outcome, an error with the value or a counted
 * loss.
 */
import { type BufferMemory, GlobalBuffer, GlobalReader, GlobalWriter, Reader } from '@rchan/ring'
import { plainMachine, Relay, RelayFile, type RelayBuffer, type RelayCallbacks } from '@rchan/relay'
import { expect, test } from 'vitest'
import { bufferOf, TestClient } from './client.js'

const BYTES = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])

test.each([
  [{ subbufSize: 0 }, 'subbufSize=0'],
  [{ subbufSize: -8 }, 'subbufSize=-8'],
  [{ subbufSize: 1.5 }, 'subbufSize=1.5'],
  [{ subbufSize: NaN }, 'subbufSize=NaN'],
  [{ subbufSize: 2 ** 32 + 8 }, 'subbufSize=4294967304'],
  [{ subbufCount: 0 }, 'subbufCount=0'],
  [{ subbufCount: -1 }, 'subbufCount=-1'],
  [{ subbufCount: 2.5 }, 'subbufCount=2.5'],
  [{ subbufCount: Infinity }, 'subbufCount=Infinity'],
  [{ subbufSize: 2 ** 20, subbufCount: 2 ** 12 + 1 }, 'subbufSize * subbufCount=4296015872'],
  [{ mode: 'block' as 'discard' }, 'mode=block'],
  [{ headerBytes: 8 }, 'headerBytes=8'],
])('a relay channel of %j is refused with the value', (change, message) => {
  const client = new TestClient()
  expect(() => client.open(change)).toThrow(RangeError)
  expect(() => client.open(change)).toThrow(message)
  expect(client.relay.channels).toEqual([])
})

test('a CPU that does not exist has no buffer: writing there is refused, consuming there ignored', () => {
  const channel = new TestClient().open()
  for (const cpu of [2, -1, 0.5, NaN, 2 ** 31]) {
    expect(() => channel.write(cpu, BYTES)).toThrow(`cpu=${cpu}`)
    expect(() => channel.reserve(cpu, 1)).toThrow(`cpu=${cpu}`)
    expect(channel.buffer(cpu)).toBeUndefined()
    channel.subbufsConsumed(cpu, 1)
  }
  expect(() => new Relay(plainMachine(1)).prepareCpu(-1)).toThrow('cpu=-1')
  expect(() => plainMachine(0)).toThrow('cpuCount=0')
})

test('an open asks the machine once which CPUs are online, and makes nothing for one that is not possible', () => {
  let asked = 0
  let online: readonly number[] = [0, 1]
  const machine = { ...plainMachine(2), onlineCpus: () => ((asked += 1), online) }
  const relay = new Relay(machine, { possibleCpus: 2, memoryBytes: 2 ** 16 })
  relay.open({ subbufSize: 8, subbufCount: 2 }).close()
  expect(asked).toBe(1)
  online = [0, 7]
  const made: unknown[] = []
  const callbacks = { createBufFile: (name?: string) => made.push(name) }
  expect(() => relay.open({ baseFilename: 'r', subbufSize: 8, subbufCount: 2, callbacks })).toThrow('cpu=7')
  expect([made, relay.channels]).toEqual([[], []])
})

test('the memory of a relay is not taken for the limits of a new one', () => {
  const { memory } = new Relay(plainMachine(1))
  expect(() => new Relay(plainMachine(1), memory as object)).toThrow('Relay.attach(memory, machine)')
})

test('lengths and counts that are no whole numbers are refused and change nothing', () => {
  const channel = new TestClient().open()
  const buffer = bufferOf(channel, 0)
  const file = new RelayFile(buffer)
  for (const wrong of [-1, 0.5, NaN, Infinity]) {
    expect(() => channel.reserve(0, wrong)).toThrow(`length=${wrong}`)
    expect(() => buffer.switch(wrong)).toThrow(`length=${wrong}`)
    expect(() => channel.subbufsConsumed(0, wrong)).toThrow(`count=${wrong}`)
    expect(() => file.readBytes(wrong)).toThrow(`count=${wrong}`)
    expect(() => file.splice({ capacity: 16, take: () => 0 }, wrong)).toThrow(`count=${wrong}`)
    expect(() => file.mmap(wrong)).toThrow(`length=${wrong}`)
  }
  expect([buffer.produced, buffer.offset, buffer.consumed, file.mappingCount]).toEqual([0, 0, 0, 0])
})

test('after close every operation of the channel says so, and no file is left', () => {
  const client = new TestClient()
  const channel = client.open()
  channel.close()
  for (const operation of ['close', 'flush', 'reset'] as const) {
    expect(() => channel[operation]()).toThrow(`${operation} on a relay channel that was closed`)
  }
  expect(() => channel.lateSetupFiles('x')).toThrow('closed')
  expect(() => channel.write(0, BYTES)).toThrow('cpu=0')
  channel.subbufsConsumed(0, 1)
  expect([channel.references, client.files.size]).toEqual([0, 0])
})

test('a buffer that outlives its channel refuses records and counts them', () => {
  const channel = new TestClient().open()
  const buffer = bufferOf(channel, 0)
  const file = new RelayFile(buffer)
  buffer.write(BYTES)
  channel.close()
  expect(buffer.write(BYTES)).toBe(false)
  expect(buffer.reserve(1)).toBeUndefined()
  expect(buffer.switch(0)).toBe(0)
  expect(buffer.memory.discarded()).toEqual({ full: 0, tooBig: 0, bad: 2 })
  expect([...file.readBytes(100)]).toEqual([...BYTES])
  expect(file.release()).toBe(true)
  expect(channel.references).toBe(0)
  expect(() => file.readBytes(1)).toThrow('read on a relay file that was released')
  expect(() => file.release()).toThrow('released')
})

test('a mapping keeps the buffer after its file was released, and is undone once', () => {
  const channel = new TestClient().open()
  const file = new RelayFile(bufferOf(channel, 0))
  const first = file.mmap(channel.allocSize)
  file.mmap(channel.allocSize)
  channel.close()
  expect(file.release()).toBe(false)
  expect(file.munmap(first)).toBe(false)
  expect(() => file.munmap(first)).toThrow('without that mapping')
  expect(channel.references).toBe(1)
  expect(file.munmap()).toBe(true)
  expect(channel.references).toBe(0)
})

test('a subbufStart that throws refuses: the record is counted, and the next one goes on', () => {
  const client = new TestClient([0])
  let throws = false
  const subbufStart = (): boolean => {
    if (throws) throw new Error('no')
    return true
  }
  const channel = client.open({ callbacks: { ...client.callbacks, subbufStart } })
  const buffer = bufferOf(channel, 0)
  throws = true
  expect([channel.write(0, BYTES), channel.write(0, BYTES), channel.write(0, BYTES)]).toEqual([
    true,
    false,
    false,
  ])
  expect(client.log).toEqual(Array(2).fill('error: relay: subbufStart threw: Error: no'))
  expect([buffer.produced, buffer.offset]).toEqual([1, 9])
  throws = false
  expect(channel.write(0, BYTES)).toBe(true)
  expect([buffer.produced, buffer.offset, buffer.fileBytes]).toEqual([1, 8, 8])
  expect(buffer.memory.discarded()).toEqual({ full: 2, tooBig: 0, bad: 0 })
})

test('a createBufFile that throws makes the open fail with its error, and a CPU unprepared', () => {
  const client = new TestClient()
  const createBufFile: RelayCallbacks['createBufFile'] = (name, parent, mode, buffer, declareGlobal) => {
    if (client.failing.includes(buffer.cpu)) throw new Error('disk on fire')
    return client.callbacks.createBufFile(name, parent, mode, buffer, declareGlobal)
  }
  const callbacks = { ...client.callbacks, createBufFile }
  client.failing = [1]
  expect(() => client.open({ callbacks })).toThrow('disk on fire')
  expect([client.files.size, client.relay.channels.length]).toEqual([0, 0])
  client.failing = [2]
  const channel = client.open({ callbacks })
  expect(client.relay.prepareCpu(2)).toBe(false)
  expect(client.log).toEqual([
    'error: relay: createBufFile threw: Error: disk on fire',
    'error: relay: cpu 2 buffer creation failed',
  ])
  expect(channel.write(0, BYTES)).toBe(true)
})

test('a removeBufFile that throws is logged, and the close goes on', () => {
  const client = new TestClient()
  const removeBufFile = (): never => {
    throw new Error('busy')
  }
  const channel = client.open({ callbacks: { ...client.callbacks, removeBufFile } })
  channel.close()
  expect(client.log).toEqual(Array(2).fill('error: relay: removeBufFile threw: Error: busy'))
  expect([channel.references, client.relay.channels.length]).toEqual([0, 0])
})

test('a header can be reserved only while a sub-buffer is started, and must leave two bytes', () => {
  const client = new TestClient([0])
  let header = 3
  const callbacks: RelayCallbacks = {
    ...client.callbacks,
    subbufStart: (buffer) => {
      buffer.subbufStartReserve(header)
      return true
    },
  }
  const buffer = bufferOf(client.open({ callbacks }), 0)
  expect(buffer.offset).toBe(3)
  expect(() => buffer.subbufStartReserve(1)).toThrow('outside subbufStart')
  for (header of [7, 8, -1, 0.5]) buffer.switch(0)
  expect(client.log.at(0)).toContain('header length=7 of a sub-buffer of subbufSize=8')
  expect(client.log).toHaveLength(4)
})

//   sub-buffer   0            1            2            3
//              [a 1..7]    [. . . a 1 …]          a header of 3 in each but the first
test('what was reserved and never filled is delivered as it stands, header bytes too', () => {
  const client = new TestClient([0])
  let header = 0
  const callbacks: RelayCallbacks = {
    ...client.callbacks,
    subbufStart: (buffer) => {
      buffer.subbufStartReserve(header)
      return true
    },
  }
  const channel = client.open({ callbacks })
  channel.write(0, BYTES)
  header = 3
  expect(channel.reserve(0, 2)).toBe(11)
  channel.write(0, BYTES.subarray(0, 1))
  expect([...new RelayFile(bufferOf(channel, 0)).readBytes(100)]).toEqual([...BYTES, 0, 0, 0, 0, 0, 1])
})

test('records, switches and resets within subbufStart are refused, and the switch goes on', () => {
  const client = new TestClient([0])
  const outcomes: unknown[] = []
  const subbufStart: RelayCallbacks['subbufStart'] = (buffer) => {
    outcomes.push(buffer.write(BYTES), buffer.reserve(1), buffer.switch(0))
    buffer.reset()
    return true
  }
  const channel = client.open({ callbacks: { ...client.callbacks, subbufStart } })
  const buffer = bufferOf(channel, 0)
  channel.write(0, BYTES)
  channel.write(0, BYTES)
  expect(outcomes).toEqual([false, undefined, 0, false, undefined, 0])
  expect(client.log[0]).toContain('reset of a relay buffer within subbufStart')
  expect([buffer.produced, buffer.offset]).toEqual([1, 9])
  expect(buffer.memory.discarded()).toEqual({ full: 1, tooBig: 0, bad: 4 })
})

test('a waiter that throws is logged, and the record that woke it is written', () => {
  const client = new TestClient([0])
  const channel = client.open()
  const file = new RelayFile(bufferOf(channel, 0))
  file.poll(() => {
    throw new Error('asleep')
  })
  expect([channel.write(0, BYTES), channel.write(0, BYTES)]).toEqual([true, true])
  expect(client.log).toEqual(['error: relay: wake threw: Error: asleep'])
  expect([...file.readBytes(100)]).toEqual([...BYTES, ...BYTES])
})

test('a buffer whose memory was let go opens no file and is not reset', () => {
  const channel = new TestClient([0]).open()
  const buffer = bufferOf(channel, 0)
  channel.close()
  expect(() => new RelayFile(buffer)).toThrow('cpu=0 was freed')
  expect(() => buffer.reset()).toThrow('closed')
  expect([buffer.references, channel.references]).toEqual([0, 0])
})

test('what is no array of bytes is no record, and harms none', () => {
  const channel = new TestClient([0]).open({ subbufSize: 64 })
  const global = GlobalBuffer.create({
    subbufSize: 64,
    subbufCount: 2,
    mode: 'discard',
    headerBytes: 0,
    unitBytes: 1,
    maxWriters: 1,
  })
  const writer = new GlobalWriter(global, 1)
  channel.write(0, BYTES)
  writer.write(BYTES)
  const wrong: unknown[] = [
    new ArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    {},
    { length: -8 },
    { length: NaN },
    5,
    'abc',
    new Float64Array(1),
    new Uint16Array(3),
  ]
  for (const found of wrong) {
    expect(() => channel.write(0, found as Uint8Array)).toThrow(TypeError)
    expect(() => writer.write(found as Uint8Array)).toThrow('a record is a Uint8Array')
  }
  channel.write(0, BYTES)
  writer.write(BYTES)
  expect([...new RelayFile(bufferOf(channel, 0)).readBytes(100)]).toEqual([...BYTES, ...BYTES])
  const span = new GlobalReader(global).newest()
  expect([...(span?.bytes.subarray(span.from, span.end) ?? [])]).toEqual([...BYTES, ...BYTES])
})

test('a file callback that opens or prepares gets an error that says so', () => {
  const relay = new Relay(plainMachine(1))
  const createBufFile = (): never => {
    relay.prepareCpu(1)
    throw new Error('prepared')
  }
  const callbacks = { createBufFile }
  expect(() => relay.open({ baseFilename: 'r', subbufSize: 8, subbufCount: 2, callbacks })).toThrow(
    'must not open, close or prepare',
  )
  expect(relay.prepareCpu(1)).toBe(true)
})

test('a module that is no absolute URL is refused', () => {
  const relay = new Relay(plainMachine(1))
  expect(() => relay.open({ subbufSize: 8, subbufCount: 2, module: './mod.mjs' })).toThrow('module=./mod.mjs')
  expect(relay.channels).toEqual([])
})

test('memory that holds no relay is refused with what it is', () => {
  const machine = plainMachine(1)
  const { memory } = new Relay(machine)
  expect(() => Relay.attach(new Uint8Array(8) as unknown as SharedArrayBuffer, machine)).toThrow('object')
  expect(() => Relay.attach(new SharedArrayBuffer(64), machine)).toThrow('byteLength=64')
  expect(() => Relay.attach(new SharedArrayBuffer(2 ** 20), machine)).toThrow('magic=0x0')
  new Uint32Array(memory)[1] = 0xff000001
  expect(() => Relay.attach(memory, machine)).toThrow('abi=4278190081')
})

test('what is no name and no memory of a buffer is refused with what to give', () => {
  const client = new TestClient()
  for (const baseFilename of [5, null, {}] as unknown as string[]) {
    expect(() => client.relay.open({ subbufSize: 64, subbufCount: 2, baseFilename })).toThrow(
      /baseFilename=.* is not a string/,
    )
  }
  expect(client.relay.channels).toEqual([])
  const buffer = bufferOf(client.open(), 0)
  expect(() => new Reader(buffer as unknown as BufferMemory)).toThrow(/a Reader reads a BufferMemory/)
  expect(new Reader(buffer.memory).next()).toBeUndefined()
  expect(() => new GlobalReader(buffer as unknown as GlobalBuffer)).toThrow(/reads a GlobalBuffer/)
})

test('a relay file of what is no buffer is refused with what to give', () => {
  const client = new TestClient()
  const { memory } = bufferOf(client.open(), 0)
  for (const found of [undefined, {}, memory] as unknown as RelayBuffer[]) {
    expect(() => new RelayFile(found)).toThrow('a RelayFile is opened on a RelayBuffer: channel.buffer(cpu)')
  }
})

test('what only relay itself may call is in no type that users have', () => {
  // The compiler holds it: each line is an error that is expected.
  const users = (buffer: RelayBuffer, file: RelayFile, relay: Relay): unknown[] => [
    // @ts-expect-error -- an insider's
    buffer.hold,
    // @ts-expect-error -- an insider's
    buffer.locked,
    // @ts-expect-error -- an insider's
    buffer.consumedTo,
    // @ts-expect-error -- an insider's
    buffer.page,
    // @ts-expect-error -- an insider's
    relay.open({ subbufSize: 8, subbufCount: 2 }).openBuffer,
    // @ts-expect-error -- the vectors'
    file.seek,
    // @ts-expect-error -- the vectors'
    relay.machine.isShortFor,
  ]
  expect(users.length).toBe(3)
})
