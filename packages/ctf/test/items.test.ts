/** Patterns of names, and what the reader refuses, or bounds, before it reads. */
import { execFileSync } from 'node:child_process'
import { cpSync, symlinkSync, truncateSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PACKET, SYSTEM_FIELDS, type EventClass, type Field, type Kind } from '@rchan/ctf'
import { ALL_CPUS, findTraces, matcherOf, openTrace, openTraces, TraceError } from '@rchan/ctf/reader'
import { temporaryFolder, UUID, writeTrace, type FixturePacket, type FixtureRecord } from './fixture.js'

const event: EventClass = { id: 0, name: 'a', fields: [{ name: 'x', type: 'u32' }] }

function packet(sequence: number, eventsDiscarded = 0): FixturePacket {
  const time = BigInt(sequence) * 1000n + 10n
  return {
    begin: time,
    end: time + 100n,
    sequence,
    eventsDiscarded,
    generation: 0,
    threadId: 3,
    records: [{ event, time: time + 5n, values: [sequence] }],
  }
}

function write(folder: string, packets: readonly FixturePacket[], uuid = UUID, cpu = 0): void {
  writeTrace(folder, {
    uuid,
    clock: { offsetSeconds: 7, offsetNs: 5, uuid: UUID },
    env: { pid: cpu + 100 },
    events: [event],
    streams: [{ file: `cpu_${cpu}`, cpu, instance: cpu, packets }],
  })
}

test.each<[string[], string[], string[]]>([
  [
    ['pool:*', '!pool:debug'],
    ['pool:', 'pool:a', 'pool:a:b'],
    ['pool:debug', 'pool', 'xpool:a'],
  ],
  [['!a'], ['b', 'aa', ''], ['a']],
  [
    ['*', '!a*', 'ab'],
    ['ab', 'b'],
    ['a', 'abc'],
  ],
  [['*a*b*c'], ['abc', 'xaxbxc', 'aabbcc'], ['abcx', 'cba']],
  [[], ['a', ''], []],
])('the patterns %j', (patterns, included, excluded) => {
  const matches = matcherOf(patterns)
  expect(included.filter((name) => !matches(name))).toEqual([])
  expect(excluded.filter((name) => matches(name))).toEqual([])
})

test('a pattern that is none is refused', () => {
  for (const bad of ['a', [''], ['!'], [7], undefined])
    expect(() => matcherOf(bad as string[])).toThrow(TypeError)
})

describe('items', () => {
  test('tell of losses and gaps where they were, also before the first packet', () => {
    using folder = temporaryFolder()
    write(folder.path, [packet(2, 4), packet(3, 4), packet(7, 9)])
    const items = [...openTrace(folder.path).items()]
    expect(items.map((item) => ('event' in item ? item.fields.x : { ...item, thread: undefined }))).toEqual([
      { type: 'gap', time: 2010n, from: 2010n, to: 2010n, cpu: 0, packets: 2, thread: undefined },
      { type: 'loss', time: 2010n, from: 2010n, to: 2110n, cpu: 0, events: 4, thread: undefined },
      2,
      3,
      { type: 'gap', time: 7010n, from: 3110n, to: 7010n, cpu: 0, packets: 3, thread: undefined },
      { type: 'loss', time: 7010n, from: 3110n, to: 7110n, cpu: 0, events: 5, thread: undefined },
      7,
    ])
    expect(openTrace(folder.path).wallClock(3n)).toBe(7_000_000_008n)
  })

  test.each([false, true])(
    'are the same before their decoder is compiled and after it, global: %j',
    (global) => {
      using folder = temporaryFolder()
      const user = (name: string, kind: Kind, fields: readonly Field[]): EventClass => {
        const number = Object.keys(SYSTEM_FIELDS).indexOf(kind)
        const of = kind === 'event' ? {} : { kind }
        return { id: number, name, ...of, fields: [...SYSTEM_FIELDS[kind], ...fields] }
      }
      const one: readonly Field[] = [{ name: 'text', type: 'string' }]
      const maybe: readonly Field[] = [...one, { name: 'some', type: { type: 'optional', of: 'u16' } }]
      const classes: Record<Kind, EventClass> = {
        event: user('an:event', 'event', maybe),
        'late-event': user('an:event', 'late-event', one),
        span: user('a:span', 'span', one),
        'async-begin': user('an:async:begin', 'async-begin', maybe),
        'async-end': user('an:async:end', 'async-end', one),
        flow: user('a:flow', 'flow', []),
        counter: user('a:counter', 'counter', [{ name: 'value', type: 'u64' }]),
      }
      const own = Object.fromEntries(
        Object.values(classes).map((whole) => {
          const { kind = 'event', fields } = whole
          return [kind, { ...whole, fields: fields.slice(SYSTEM_FIELDS[kind].length) }]
        }),
      )
      const by = { cpu: 2, threadId: 3 }
      const process = { pid: 7, folder: folder.path, env: { pid: 7 }, index: 0 }
      const thread = { process, threadId: 3, name: '', cpu: 2, generation: global ? -1 : 1 }
      const records: FixtureRecord[] = []
      const expected: unknown[] = []
      for (let n = 0; n < 250; n += 1) {
        const time = 1000n * BigInt(n + 10)
        const text = `t${n % 3}`
        const some = n % 2 === 0 ? undefined : n
        const outcome = n % 5 === 0 ? 'failed' : 'ok'
        const phase = n % 7 === 0 ? 'end' : 'step'
        const id = 2n ** 63n + time
        const fields = { text }
        const both = some === undefined ? fields : { text, some }
        const add = (kind: Kind, values: FixtureRecord['values'], item: object): void => {
          records.push({ event: classes[kind], time, values, ...(global ? { by } : {}) })
          expected.push({ time, thread, event: own[kind], ...item })
        }
        add('event', [text, some], { type: 'event', at: time, fields: { text, some } })
        add('late-event', [5n, text], { type: 'event', at: 5n, fields })
        const [start, end] = [time - 9n, time - 2n]
        add('span', [start, 7n, outcome, text], { type: 'span', start, end, outcome, fields })
        const name = 'an:async'
        add('async-begin', [id, text, some], { type: 'async', phase: 'begin', name, id, fields: both })
        add('async-end', [id, outcome, text], { type: 'async', phase: 'end', name, id, outcome, fields })
        add('flow', [id, phase], { type: 'flow', phase, id, fields: {} })
        add('counter', [id], { type: 'counter', fields: { value: id } })
      }
      const [begin, finish] = [9000n, 1_000_000n]
      const cpu = global ? ALL_CPUS : 2
      const packets = [
        { begin, end: finish, sequence: 0, eventsDiscarded: 0, generation: 1, threadId: 3, records },
      ]
      writeTrace(folder.path, {
        uuid: UUID,
        clock: { offsetSeconds: 7, offsetNs: 5, uuid: UUID },
        env: { pid: 7 },
        events: Object.values(classes),
        streams: [{ file: 'cpu_2', cpu, instance: 2, packets }],
        ...(global ? { global } : {}),
      })
      expect([...openTrace(folder.path).items()]).toStrictEqual(expected)
    },
  )

  test('have no value where an optional is absent whose name all objects have', () => {
    using folder = temporaryFolder()
    const fields: readonly Field[] = [{ name: 'valueOf', type: { type: 'optional', of: 'u16' } }]
    const late: EventClass = {
      id: 0,
      name: 'a',
      kind: 'late-event',
      fields: [...SYSTEM_FIELDS['late-event'], ...fields],
    }
    const records = [undefined, 7].map((value): FixtureRecord => {
      return { event: late, time: 12n, values: [5n, value] }
    })
    writeTrace(folder.path, {
      uuid: UUID,
      clock: { offsetSeconds: 7, offsetNs: 5, uuid: UUID },
      env: {},
      events: [late],
      streams: [{ file: 'cpu_0', cpu: 0, instance: 0, packets: [{ ...packet(0), records }] }],
    })
    const items = [...openTrace(folder.path).items()]
    const [{ name }] = fields
    expect(items.map((item) => 'event' in item && item.fields[name])).toEqual([undefined, 7])
  })

  test('have their own texts, also where the hashes of texts are equal', () => {
    using folder = temporaryFolder()
    const text: EventClass = { id: 0, name: 'a', fields: [{ name: 'text', type: 'string' }] }
    // 'Aa' and 'BB' are of one hash, as in Java.
    const values = ['Aa', 'BB', 'Aa', 'AaBB', 'BBAa', 'AaAa', '', 'é', 'Aa', 'x'.repeat(64), 'y'.repeat(65)]
    const records = values.map((value): FixtureRecord => ({ event: text, time: 12n, values: [value] }))
    writeTrace(folder.path, {
      uuid: UUID,
      clock: { offsetSeconds: 7, offsetNs: 5, uuid: UUID },
      env: {},
      events: [text],
      streams: [{ file: 'cpu_0', cpu: 0, instance: 0, packets: [{ ...packet(0), records }] }],
    })
    const items = [...openTrace(folder.path).items(), ...openTrace(folder.path).items()]
    expect(items.map((item) => 'event' in item && item.fields.text)).toEqual([...values, ...values])
  })

  test('of several processes are merged', () => {
    using folder = temporaryFolder()
    write(join(folder.path, 'a'), [packet(0), packet(2)])
    write(join(folder.path, 'deep', 'b'), [packet(1), packet(3)], UUID.replace('2a', '3b'), 1)
    const folders = findTraces(folder.path)
    expect(folders).toEqual([join(folder.path, 'a'), join(folder.path, 'deep', 'b')])
    const set = openTraces(folders)
    const seen = [...set.items()].flatMap((item) =>
      'event' in item ? [[item.fields.x, item.thread.process.pid]] : [],
    )
    expect(seen).toEqual([
      [0, 100],
      [1, 101],
      [2, 100],
      [3, 101],
    ])
    expect([...set.items({ processes: [101] })].filter((item) => 'event' in item)).toHaveLength(2)
  })
})

describe('the reader does not wait, or take memory, for', () => {
  test('a FIFO, or a link to a device, as metadata', () => {
    using folder = temporaryFolder()
    execFileSync('mkfifo', [join(folder.path, 'metadata')])
    expect(() => openTrace(folder.path)).toThrow(/metadata: is no regular file/)
    using other = temporaryFolder()
    symlinkSync('/dev/zero', join(other.path, 'metadata'))
    expect(() => openTrace(other.path)).toThrow(/metadata: is no regular file/)
  })

  test('long comments', () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'metadata'), `/* CTF 1.8 */${'/* x */ \n'.repeat(6_000_000)}`)
    expect(() => openTrace(folder.path)).toThrow(/line 6000001, column 1: no trace block/)
  })

  test('a packet that claims a GiB, of a sparse file', () => {
    using folder = temporaryFolder()
    write(folder.path, [packet(0)])
    const path = join(folder.path, 'cpu_0')
    truncateSync(path, 2 ** 30)
    const fd = openSync(path, 'r+')
    const bits = Buffer.alloc(8)
    bits.writeBigUInt64LE(2n ** 33n)
    writeSync(fd, bits, 0, 8, PACKET.packetBits)
    writeSync(fd, bits, 0, 8, PACKET.contentBits)
    closeSync(fd)
    expect(() => [...openTrace(folder.path).records()]).toThrow(
      /content_size=8589934592 bits, and rchan writes at most/,
    )
  })

  test('the same stream twice', () => {
    using folder = temporaryFolder()
    write(folder.path, [packet(0), packet(1)])
    cpSync(join(folder.path, 'cpu_0'), join(folder.path, 'cpu_9'))
    expect(() => [...openTrace(folder.path).items()]).toThrow(/cpu_9.*begins with the same packet as .*cpu_0/)
    expect(() => [...openTrace(folder.path).records()]).toThrow(TraceError)
  })
})

test('a cpu_id that contradicts the stream is an error', () => {
  using folder = temporaryFolder()
  write(folder.path, [packet(0)])
  const fd = openSync(join(folder.path, 'cpu_0'), 'r+')
  writeSync(fd, Buffer.from([5]), 0, 1, PACKET.cpuId)
  closeSync(fd)
  expect(() => openTrace(folder.path)).toThrow(/cpu_id=5, and its stream_instance_id=0/)
})
