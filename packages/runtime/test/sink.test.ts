import { expect, test } from 'vitest'
import type { Packet, Sink, SinkStream } from '@rchan/runtime'
import { FileSink } from '@rchan/runtime/file-sink'
import { freshFolder, replaceFs } from './faults.ts'
import { GRACE_MS, Machine, numbers } from './machine.ts'
import { packet as packetOf } from './packets.ts'

/** The packets given to a stream. */
interface Taken {
  readonly events: number
  readonly numbers: number[]
  readonly isEnd: boolean
}

/** A sink that keeps all in memory, and can refuse. */
class MemorySink implements Sink {
  readonly taken = new Map<string, Taken[]>()
  /** Thrown by the next packet. */
  refuse: Error | undefined

  stream(name: string): SinkStream {
    const taken: Taken[] = []
    this.taken.set(name, taken)
    let bytes = 0
    const take = (packet: Packet, events: number, isEnd: boolean): void => {
      if (this.refuse !== undefined) throw this.refuse
      bytes += packet.bytes
      // A packet's bytes are valid during the call only.
      const content = Buffer.concat(packet.pieces)
      const found = Array.from({ length: content.length / 8 }, (_, i) => content.readUInt32LE(i * 8))
      taken.push({ events, numbers: found, isEnd })
    }
    return {
      get bytes() {
        return bytes
      },
      get isEnded() {
        return taken.at(-1)?.isEnd === true
      },
      append: (packet, events) => take(packet, events, false),
      end: (packet) => take(packet, 0, true),
      close: () => ({ problem: undefined, lostEvents: 0 }),
    }
  }

  document(): void {}

  problem(): string | undefined {
    return undefined
  }

  close(): void {}

  numbers(name: string): number[] {
    return (this.taken.get(name) ?? []).flatMap((packet) => packet.numbers)
  }
}

test('a consumer knows its sink only: all that it delivers goes there, and ends there', () => {
  const sink = new MemorySink()
  const machine = new Machine({ sink })
  machine.thread(0, 7).write(6)
  machine.thread(1, 8).write(3)
  machine.consumer.doWork()
  machine.pass(200)
  const { events, cpus } = machine.consumer.finish()
  expect([events, cpus.map(({ cpu }) => cpu)]).toEqual([9, [0, 1]])
  expect(sink.numbers('cpu_0')).toEqual(numbers(6))
  expect(sink.numbers('cpu_1')).toEqual(numbers(3))
  for (const packets of sink.taken.values()) {
    expect(packets.at(-1)?.isEnd).toBe(true)
    expect(packets.reduce((sum, packet) => sum + packet.events, 0)).toBe(
      packets.flatMap((packet) => packet.numbers).length,
    )
  }
})

test('a packet that a sink refuses comes again, and what it never takes is counted', () => {
  const sink = new MemorySink()
  const machine = new Machine({ sink })
  const thread = machine.thread(0, 7)
  thread.write(4)
  sink.refuse = new Error('no room')
  machine.consumer.doWork()
  expect(sink.numbers('cpu_0')).toEqual([])
  sink.refuse = undefined
  machine.pass(100 + GRACE_MS)
  expect(sink.numbers('cpu_0')).toEqual(numbers(4))
  thread.write(2)
  sink.refuse = new Error('no room')
  const { events, unwritten, error } = machine.consumer.finish()
  expect([events, unwritten]).toEqual([4, 2])
  expect(error).toContain('no room')
})

test('a folder lets go of all that it holds, once, also of the streams of a consumer that failed', () => {
  const held = new Set<number>()
  replaceFs('openSync', (real) => (...args: Parameters<typeof real>) => {
    const fd = real(...args)
    held.add(fd)
    return fd
  })
  replaceFs('closeSync', (real) => (fd: number) => {
    expect(held.delete(fd)).toBe(true)
    real(fd)
  })
  const sink = new FileSink(freshFolder())
  const ended = sink.stream('cpu_0')
  ended.append(packetOf(1, 0), 0)
  expect(ended.close()).toEqual({ problem: undefined, lostEvents: 0 })
  sink.stream('cpu_1').append(packetOf(1, 0), 0)
  sink.stream('cpu_2')
  sink.close()
  sink.close()
  expect([...held]).toEqual([])
})
