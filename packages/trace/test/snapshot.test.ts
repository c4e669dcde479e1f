/**
 * Snapshots step by step, on one thread: a disk that fails in the middle, damaged memory, limits of
 * triggers. (What they hold under load: packages/rchan/test/flight.test.ts.)
 */
import { readdirSync } from 'node:fs'
import { BUFFER } from '@rchan/ring'
import { PLACE } from '@rchan/runtime'
import { FileSink } from '@rchan/runtime/file-sink'
import { FlightConsumer } from '@rchan/runtime/flight-consumer'
import type { SnapshotLimits } from '@rchan/runtime/recorder'
import { causeOf } from '@rchan/runtime/snapshot-call'
import { createFormat } from '@rchan/trace/ctf-format'
import { packetClient } from '@rchan/trace/packet-client'
import { openTrace } from '@rchan/ctf/reader'
import { describe, expect, test, vi } from 'vitest'
import { freshFolder, fsError, replaceFs } from '../../runtime/test/faults.ts'
import { Rig } from './rig.ts'

const LIMITS: SnapshotLimits = { max: 32, maxBytes: 2 ** 30, minIntervalMs: 0, keep: 'newest' }
const INIT = {
  uuid: '2a6422d0-6cee-41e0-8c08-cb07d7b3a564',
  clock: { offsetSeconds: 0, offsetNs: 0 },
  env: {},
}

/** A thread that writes, and the consumer of its flight recorder. */
function setUp(limits: Partial<SnapshotLimits> = {}): {
  readonly rig: Rig
  readonly dir: string
  readonly consumer: FlightConsumer
  readonly write: (from: number, count: number) => void
} {
  const rig = new Rig(packetClient, { subbufSize: 4096, subbufCount: 4, mode: 'overwrite' })
  const dir = freshFolder()
  const shared = { control: rig.control.memory, arena: rig.arena.memory }
  const client = {
    createSink: (path: string) => new FileSink(path),
    createFormat: (sink: FileSink | Parameters<typeof createFormat>[1]['sink'], startedAt: bigint) =>
      createFormat(INIT, { ...shared, sink, startedAt }),
  }
  const init = { dir, lookout: {}, keepMs: 0, limits: { ...LIMITS, ...limits } }
  const options = { flushIntervalMs: 100, graceMs: 10 }
  const quiet = { postArena: () => undefined, takeCalls: () => [], trouble: () => undefined }
  const consumer = new FlightConsumer(rig.control, rig.arena, client, init, options, quiet)
  const encoder = rig.encoder('compiled', 'a:b', { n: 'u32' })
  const write = (from: number, count: number): void => {
    for (let n = from; n < from + count; n += 1) encoder({ n })
  }
  return { rig, dir, consumer, write }
}

function numbersOf(path: string): unknown[] {
  return [...openTrace(path).records()].flatMap(({ fields }) => (fields.n === undefined ? [] : [fields.n]))
}

describe('a snapshot', () => {
  test('that the disk has no room for leaves nothing, wherever it fails; the next one is whole', () => {
    const { dir, consumer, write } = setUp()
    write(0, 600)
    let writes = 0
    const count = replaceFs('writevSync', (real) => (...args) => {
      writes += 1
      return (real as (...all: never[]) => number)(...args)
    })
    const whole = consumer.take(causeOf('call', 'whole'))
    count()
    expect(writes).toBeGreaterThan(4)
    const { length: before } = readdirSync(dir)
    for (let failing = 1; failing <= writes; failing += 1) {
      let left = failing
      const restore = replaceFs('writevSync', (real) => (...args) => {
        left -= 1
        if (left === 0) throw fsError('ENOSPC')
        return (real as (...all: never[]) => number)(...args)
      })
      expect(() => consumer.take(causeOf('call', 'fails'))).toThrow(
        /could not be written.*ENOSPC.*nothing of it/,
      )
      restore()
      expect(readdirSync(dir).length).toBe(before)
    }
    const again = consumer.take(causeOf('call', 'again'))
    expect(numbersOf(again.path)).toEqual(numbersOf(whole.path))
    expect(again.notTaken.failed).toBe(writes)
    expect(consumer.finish().flight).toMatchObject({ taken: 2, notTaken: { failed: writes } })
  })

  test('counts what a ring held at the cut, when all of it is overwritten before it is read', () => {
    const { rig, consumer, write } = setUp()
    write(0, 100)
    const { buffer } = rig.cpu.writer ?? {}
    let looks = 0
    const { words } = rig.arena
    const online = rig.arena.placeWord(0, PLACE.online)
    // The second look which threads are online comes after the cut.
    const load = vi.spyOn(Atomics, 'load').mockImplementation(((array: Int32Array, index: number) => {
      if (array === words && index === online) {
        looks += 1
        if (looks === 2) write(100, 2000)
      }
      return array[index]
    }) as typeof Atomics.load)
    const { events, lost, threads, path } = consumer.take(causeOf('call', 'late'))
    load.mockRestore()
    expect(buffer).toBeDefined()
    expect({ events, lost, threads }).toEqual({ events: 0, lost: 100, threads: [] })
    expect(numbersOf(path)).toEqual([])
    expect(
      openTrace(path)
        .losses()
        .reduce((sum, { eventsDiscarded }) => sum + eventsDiscarded, 0),
    ).toBe(100)
  })

  test('of damaged memory says what is damaged, and has the rest', () => {
    const { rig, consumer, write } = setUp()
    write(0, 100)
    const { counters } = rig.arena.channel.buffer(0)
    counters[BUFFER.produced >> 3] = -5n
    const { events, warnings, path } = consumer.take(causeOf('call', 'damaged'))
    expect(events).toBe(0)
    expect(warnings).toEqual([expect.stringMatching(/cpu_0: .*damaged: produced=-5/)])
    expect([...openTrace(path).records()].map(({ event }) => event.name)).toEqual(['rchan:snapshot'])
  })

  test('has an event at the time when its trigger fired, and not after the moment that it shows', () => {
    const { consumer, write } = setUp()
    write(0, 3)
    const fired = causeOf('stall', 'late', 7)
    const early = consumer.take(fired)
    const eventOf = (path: string): unknown =>
      [...openTrace(path).records()].find(({ event }) => event.name !== 'a:b')
    expect(eventOf(early.path)).toMatchObject({ time: fired.at, fields: { thread: 7, trigger: 'stall' } })
    const future = { ...causeOf('call', ''), at: fired.at * 2n }
    const { time } = eventOf(consumer.take(future).path) as { readonly time: bigint }
    expect(time).toBeGreaterThan(fired.at)
    expect(time).toBeLessThan(future.at)
  })
})

describe('the least time between two snapshots', () => {
  test('holds for triggers, and not for calls', () => {
    const { consumer, write } = setUp({ minIntervalMs: 3_600_000 })
    write(0, 3)
    const take = (trigger: Parameters<typeof causeOf>[0]) => consumer.take(causeOf(trigger, ''))
    take('stall')
    expect(() => take('stall')).toThrow(/minIntervalMs=3600000/)
    expect(() => take('memory')).toThrow(/minIntervalMs/)
    expect(take('call').notTaken).toEqual({ number: 0, rate: 2, bytes: 0, failed: 0 })
    take('request')
    expect(consumer.finish().flight?.taken).toBe(3)
  })
})

test('what a flight recorder counts at its end closes: held and overwritten are all that was written', () => {
  const { consumer, write } = setUp()
  write(0, 2000)
  consumer.doWork()
  const { events, overwritten, torn, discarded } = consumer.finish()
  expect(events + overwritten).toBe(2000)
  expect([torn, discarded]).toEqual([0, { full: 0, tooBig: 0, bad: 0 }])
})
