/** Patterns of names, and what the reader refuses, or bounds, before it reads. */
import { execFileSync } from 'node:child_process'
import { cpSync, symlinkSync, truncateSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PACKET, type EventClass } from '@rchan/ctf'
import { findTraces, matcherOf, openTrace, openTraces, TraceError } from '@rchan/ctf/reader'
import { temporaryFolder, UUID, writeTrace, type FixturePacket } from './fixture.js'

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
