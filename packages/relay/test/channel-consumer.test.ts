/** A consumer hands out each byte once, in order, or counts it: here on the thread that writes. */
import {
  ChannelConsumer,
  plainMachine,
  Relay,
  type Machine,
  type RelayChannel,
  type Subbuf,
} from '@rchan/relay'
import { expect, test } from 'vitest'

const text = new TextDecoder()

function say(channel: RelayChannel, cpu: number, record: string): boolean {
  return channel.write(cpu, new TextEncoder().encode(record))
}

/** All that a consumer hands out now. */
function readAll(consumer: ChannelConsumer): string[] {
  const found: string[] = []
  for (let subbuf = consumer.next(0); subbuf !== undefined; subbuf = consumer.next(0))
    found.push(told(subbuf))
  return found
}

function told({ cpu, bytes, records }: Subbuf): string {
  return `${cpu}: ${text.decode(bytes.slice())} (${records})`
}

const SHAPE = { subbufSize: 8, subbufCount: 4 }

/** A machine on which time goes on by a step at each look. */
function steppedMachine(stepMs: number): Machine {
  let nowMs = 0
  return { ...plainMachine(2), now: () => (nowMs += stepMs) }
}

test('complete sub-buffers come in turns of the buffers, and the open one at the end of the channel', () => {
  const channel = new Relay(plainMachine(2)).open(SHAPE)
  using consumer = new ChannelConsumer(channel)
  for (const record of ['aaaa', 'bbbb', 'cccc', 'dddd', 'ee']) say(channel, 0, record)
  for (const record of ['1111', '2222', '33']) say(channel, 1, record)
  expect(readAll(consumer)).toEqual(['0: aaaabbbb (2)', '1: 11112222 (2)', '0: ccccdddd (2)'])
  expect(consumer.isOver).toBe(false)
  channel.close()
  const rest: string[] = []
  while (!consumer.isOver) {
    const subbuf = consumer.next(1000)
    if (subbuf !== undefined) rest.push(told(subbuf))
  }
  expect(rest.sort()).toEqual(['0: ee (1)', '1: 33 (1)'])
  expect(consumer.totals).toEqual([
    { channel: channel.id, cpu: 0, parts: 3, bytes: 18, records: 5, overwritten: 0 },
    { channel: channel.id, cpu: 1, parts: 2, bytes: 10, records: 3, overwritten: 0 },
  ])
})

test('a buffer that has a consumer is refused to a second one, until it is released', () => {
  const channel = new Relay(plainMachine(2)).open(SHAPE)
  const one = new ChannelConsumer(channel, { cpu: 1 })
  expect(() => new ChannelConsumer(channel)).toThrow(
    /^cpu=1 of channel=1 has a consumer already \(in this thread\)/,
  )
  // The buffer that was free was given up again.
  using other = new ChannelConsumer(channel, { cpu: 0 })
  one.release()
  one.release()
  using next = new ChannelConsumer(channel, { cpu: 1 })
  expect([other.isOver, next.isOver, one.isOver, one.next()]).toEqual([false, false, true, undefined])
})

test('the next consumer goes on behind what was used, in the middle of a sub-buffer as well', () => {
  const channel = new Relay(steppedMachine(11)).open({ ...SHAPE, subbufSize: 16 })
  say(channel, 0, 'one.')
  const first = new ChannelConsumer(channel, { cpu: 0, flushIntervalMs: 1 })
  expect(readAll(first)).toEqual(['0: one. (1)'])
  say(channel, 0, 'two.')
  let part: Subbuf | undefined
  while (part === undefined) part = first.next(0)
  expect(told(part)).toBe('0: two. (1)')
  // It was not used, so the next one gets it.
  first.release(false)
  say(channel, 0, '3.')
  using second = new ChannelConsumer(channel, { cpu: 0 })
  channel.flush()
  expect(readAll(second)).toEqual(['0: two.3. (2)'])
})

test('records whose bytes were all handed out at flushes are accounted for at the end', () => {
  const relay = new Relay({ ...steppedMachine(11), onlineCpus: () => [0] })
  const channel = relay.open(SHAPE)
  using consumer = new ChannelConsumer(channel, { flushIntervalMs: 1 })
  // A thread that goes on to live.
  const writer = Relay.attach(relay.memory, { ...plainMachine(1), identity: 2 }).channel(channel.id)
  writer?.write(0, new TextEncoder().encode('one.'))
  const found: string[] = []
  while (found.length === 0) found.push(...readAll(consumer))
  expect(found).toEqual(['0: one. (0)'])
  expect(consumer.totals[0]).toMatchObject({ bytes: 4, records: 0 })
  channel.close()
  const rest: string[] = []
  while (!consumer.isOver) rest.push(...readAll(consumer))
  expect(rest).toEqual(['0:  (1)'])
  expect(consumer.totals[0]).toMatchObject({ bytes: 4, records: 1 })
})

test('what was overwritten is counted, with the next part or in the totals', () => {
  const channel = new Relay(plainMachine(1)).open({ subbufSize: 4, subbufCount: 2, mode: 'overwrite' })
  using consumer = new ChannelConsumer(channel)
  for (const record of ['aaaa', 'bbbb', 'cccc', 'dddd']) say(channel, 0, record)
  expect(consumer.next(0)).toMatchObject({ sequence: 2, overwritten: 2 })
  for (const record of ['eeee', 'ffff', 'gggg', 'hhhh']) say(channel, 0, record)
  channel.close()
  while (!consumer.isOver) consumer.next(1000)
  const [{ records, overwritten }] = consumer.totals
  expect(records + overwritten).toBe(8)
})

test('a header belongs to the first part of its sub-buffer', () => {
  const channel = new Relay(plainMachine(1)).open({ ...SHAPE, headerBytes: 2 })
  using consumer = new ChannelConsumer(channel)
  say(channel, 0, 'abc')
  channel.flush()
  expect(consumer.next(0)?.bytes.length).toBe(5)
})

test('a flush asks for what was written up to now, and no more', () => {
  const channel = new Relay(steppedMachine(4)).open(SHAPE)
  using consumer = new ChannelConsumer(channel, { cpu: 0 })
  for (const record of ['aaaa', 'bbbb', 'cc']) say(channel, 0, record)
  consumer.flush()
  for (const record of ['dddd', 'eeee', 'ff']) say(channel, 0, record)
  const found: string[] = []
  while (!consumer.hasFlushed) {
    const subbuf = consumer.next(0)
    if (subbuf !== undefined) found.push(told(subbuf))
  }
  expect(found).toEqual(['0: aaaabbbb (2)', '0: cc (0)'])
  expect(readAll(consumer)).toEqual(['0: dddd (2)'])
})

test('a reset starts anew, and a part of the life before is not passed over in the next', () => {
  const channel = new Relay(steppedMachine(11)).open(SHAPE)
  const first = new ChannelConsumer(channel, { cpu: 0, flushIntervalMs: 1 })
  say(channel, 0, 'one.')
  readAll(first)
  first.release()
  channel.reset()
  say(channel, 0, 'new one.')
  channel.flush()
  using second = new ChannelConsumer(channel, { cpu: 0 })
  expect(readAll(second)).toEqual(['0: new one. (1)'])
})

test('a damaged count of what was delivered is not used', () => {
  const channel = new Relay(plainMachine(1)).open(SHAPE)
  const words = new DataView(channel.buffer(0)!.memory.memory)
  const page = channel.buffer(0)!.memory.words.byteOffset - 4096
  words.setInt32(page + 200, 1, true)
  words.setFloat64(page + 208 + 16, 1e9, true)
  say(channel, 0, 'aaaabbbb')
  channel.flush()
  using consumer = new ChannelConsumer(channel)
  expect(readAll(consumer)).toEqual(['0: aaaabbbb (1)'])
})

test('the buffer of a CPU that comes later is consumed, too; all CPUs share a global one', () => {
  const machine = { now: () => 0, log: () => undefined }
  const relay = new Relay(machine)
  const channel = relay.open(SHAPE)
  const global = relay.open({ ...SHAPE, isGlobal: true })
  using consumer = new ChannelConsumer([channel, global])
  expect(consumer.next(0)).toBeUndefined()
  const cpu = relay.comeOnline(3)
  say(channel, cpu, 'aaaabbbb')
  say(global, cpu, 'ccccdddd')
  for (const each of [channel, global]) each.flush()
  expect(readAll(consumer).sort()).toEqual(['0: ccccdddd (1)', '3: aaaabbbb (1)'])
})

test.each([undefined, 1])(
  'the buffer of a CPU that came, wrote and went before a close is consumed, if nobody looked meanwhile: cpu=%s',
  (cpu) => {
    const machine = { ...plainMachine(2), onlineCpus: () => [] }
    const relay = new Relay(machine)
    const channel = relay.open(SHAPE)
    using consumer = new ChannelConsumer(channel, cpu === undefined ? {} : { cpu })
    expect([consumer.next(0), consumer.isOver]).toEqual([undefined, false])
    const writer = Relay.attach(relay.memory, { ...machine, identity: 2 })
    expect(writer.comeOnline(1)).toBe(1)
    for (const record of ['1111', '2222', '33'])
      writer.channel(channel.id)?.write(1, new TextEncoder().encode(record))
    writer.leave()
    channel.close()
    expect(consumer.isOver).toBe(false)
    expect(readAll(consumer)).toEqual(['1: 11112222 (2)', '1: 33 (1)'])
    expect(consumer.isOver).toBe(true)
    expect(consumer.totals).toMatchObject([{ cpu: 1, records: 3, overwritten: 0 }])
    consumer.release()
    // Its memory is free again.
    for (let time = 0; time < 100; time += 1) relay.open(SHAPE).close()
  },
)

test('the rest of the open sub-buffer comes at once when its thread has gone offline', () => {
  const relay = new Relay({ now: () => 0, log: () => undefined })
  const cpu = relay.comeOnline()
  const channel = relay.open(SHAPE)
  using consumer = new ChannelConsumer(channel)
  say(channel, cpu, 'abc')
  expect(readAll(consumer)).toEqual([])
  relay.goOffline()
  expect(readAll(consumer)).toEqual(['0: abc (1)'])
  relay.comeOnline()
  say(channel, cpu, 'de')
  relay.goOffline()
  expect(readAll(consumer)).toEqual(['0: de (1)'])
})

test('a thread that leaves the relay gives its buffers up', () => {
  const relay = new Relay(plainMachine(1))
  const consumer = new ChannelConsumer(relay.open(SHAPE))
  relay.leave()
  expect([consumer.isOver, consumer.next()]).toEqual([true, undefined])
})

test.each([
  ['no channel', () => [], {}, 'a ChannelConsumer of no channel'],
  ['something else', () => [{} as RelayChannel], {}, 'relay.channel(id)'],
  [
    'an interval of 0',
    (one: RelayChannel) => one,
    { flushIntervalMs: 0 },
    'flushIntervalMs=0 is not above 0',
  ],
  ['a CPU that can not be', (one: RelayChannel) => one, { cpu: 64 }, 'cpu=64'],
  [
    'two relays',
    (one: RelayChannel) => [one, new Relay(plainMachine(1)).open(SHAPE)],
    {},
    'is of another relay',
  ],
])('%s is refused', (_, channels, options, message) => {
  const channel = new Relay(plainMachine(1)).open(SHAPE)
  expect(() => new ChannelConsumer(channels(channel), options)).toThrow(message)
  using consumer = new ChannelConsumer(channel)
  expect(consumer.isOver).toBe(false)
})
