/**
 * Threads that share one buffer, and the consumer, played step by step on one thread. Whatever they
 * do, and wherever they die, the stream can be read, and each call is in it or counted.
 */
import * as fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSchema, PACKET_HEADER_BYTES, parseUuid, schemaText } from '@rchan/ctf'
import { openTrace, type TraceRecord } from '@rchan/ctf/reader'
import { thisThread } from '@rchan/threads'
import { Arena, ARENA, Control, Cpu, nodeMachine, PLACE } from '@rchan/runtime'
import { FileSink } from '@rchan/runtime/file-sink'
import { Consumer, type Totals } from '@rchan/runtime/consumer'
import { makeEncoder, type Encoder } from '@rchan/trace/facade'
import { createFormat } from '@rchan/trace/ctf-format'
import { packetClient } from '@rchan/trace/packet-client'
import { describe, expect, test } from 'vitest'

const UUID = '2a6422d0-6cee-41e0-8c08-cb07d7b3a564'
const PLACES = 4
const FLUSH_MS = 100
const GRACE_MS = 10
const SCHEMA = makeSchema('test:step', { thread: 'u32', step: 'u32', text: 'string', after: 'f64' })

/** A thread that the test plays. */
interface Played {
  readonly cpu: Cpu
  readonly identity: number
  readonly encode: Encoder
  step: number
}

/** The name of a played thread. Two in a row have the same name. */
function nameOf(identity: number): string {
  return `played ${identity >> 1}`
}

/** A recording of played threads. */
class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'rchan test '))
  readonly control = Control.create({
    ...nodeMachine,
    now: () => this.#timeMs,
    sleep: (ms) => void (this.#timeMs += ms),
    isDead: (identity) => this.dead.has(identity) && (this.lateLooks -= 1) < 0,
  })
  readonly arena: Arena
  readonly consumer: Consumer
  readonly dead = new Set<number>()
  /** Looks at a thread of the dead that find it living still. */
  lateLooks = 0
  attempts = 0
  torn = 0
  #timeMs = 1000
  /** Of the thread that came last; the numbers in a trace begin again with the fifth. */
  #identity = 65_531

  constructor(mode: 'discard' | 'overwrite') {
    const channel = {
      subbufSize: 512,
      subbufCount: 4,
      mode,
      possibleCpus: PLACES,
      headerBytes: PACKET_HEADER_BYTES,
      global: true,
    }
    this.arena = Arena.create(channel, 1, thisThread().identity, parseUuid(UUID))
    this.control.enable(1)
    const sink = new FileSink(this.folder)
    const shared = { control: this.control.memory, arena: this.arena.memory, sink }
    const init = { uuid: UUID, clock: { offsetSeconds: 0, offsetNs: 0 }, env: {}, global: true }
    const setup = { flushIntervalMs: FLUSH_MS, graceMs: GRACE_MS }
    const format = createFormat(init, shared)
    format.prepare([])
    this.consumer = new Consumer(this.control, this.arena, format, sink, setup, {
      postArena: () => undefined,
      takeCalls: () => [],
      trouble: () => undefined,
    })
  }

  /** A new thread, online; undefined when no place is free. */
  thread(): Played | undefined {
    const owner = (cpu: number): number => this.arena.placeWord(cpu, PLACE.owner)
    const places = Array.from({ length: PLACES }, (_, cpu) => cpu)
    if (places.every((cpu) => this.arena.words[owner(cpu)] !== 0)) return undefined
    this.#identity += 1
    const identity = this.#identity
    const machine = {
      ...this.control.machine,
      // Its own identity, so that it finds the place for the one that records, too.
      thread: { ...thisThread(), threadId: identity },
      threadName: nameOf(identity),
    }
    const cpu = new Cpu(new Control(this.control.memory, machine))
    cpu.setClient(packetClient)
    cpu.setArena(this.arena)
    if (!cpu.online()) throw new Error('no place')
    this.arena.words[owner(cpu.number)] = identity
    const id = this.control.declare(schemaText(SCHEMA))
    return {
      cpu,
      identity,
      encode: makeEncoder(cpu, id, SCHEMA.name, SCHEMA.fields),
      step: 0,
    }
  }

  trace(thread: Played, length: number): void {
    this.attempts += 1
    const { identity, step } = thread
    thread.encode({ thread: identity, step, text: 'x'.repeat(length), after: step / 3 })
    thread.step += 1
  }

  /** The thread dies; within a record of so many bytes if they are not 0. */
  die(thread: Played, bytes: number): void {
    if (bytes > 0) {
      this.attempts += 1
      if ((thread.cpu.globalWriter?.reserve(bytes) ?? -1) >= 0) this.torn += 1
    }
    this.dead.add(thread.identity)
  }

  pass(ms: number): void {
    for (let i = 0; i < ms; i += 1) {
      this.#timeMs += 1
      this.consumer.doWork()
    }
  }

  /** Ends the recording, and reads it. */
  end(): { totals: Totals; records: TraceRecord[]; lost: number } {
    this.control.disable(1)
    try {
      const totals = this.consumer.finish()
      if (totals.error !== undefined) throw new Error(totals.error)
      const trace = openTrace(this.folder)
      const lost = trace.losses().reduce((sum, { eventsDiscarded }) => sum + eventsDiscarded, 0)
      return { totals, records: [...trace.records()], lost }
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
  }
}

function sumOf({ discarded: { full, tooBig, bad }, ...totals }: Totals): number {
  return full + tooBig + bad + totals.events + totals.overwritten + totals.torn + totals.unwritten
}

/**
 * Checks that each thread's records are in order and name their thread, and that the CPUs add up.
 * @throws when not.
 */
function check(totals: Totals, records: readonly TraceRecord[]): void {
  const ofCpus = (of: (cpu: Totals['cpus'][number]) => number): number =>
    totals.cpus.reduce((sum, cpu) => sum + of(cpu), 0)
  expect(ofCpus(({ events }) => events)).toBe(totals.events)
  expect(ofCpus(({ discarded }) => discarded.full)).toBe(totals.discarded.full)
  const next = new Map<unknown, number>()
  for (const { cpu, threadId, threadName, fields } of records) {
    const { thread, step, after } = fields as Record<string, number>
    const named = totals.cpus.find((each) => each.cpu === cpu)?.threads
    if (threadId !== thread % 65_536 || threadName !== nameOf(thread))
      throw new Error(`thread ${thread} as ${threadId} ${threadName}`)
    const known = named?.find((each) => each.threadId === thread)
    if (known?.threadName !== threadName) throw new Error(`thread ${thread} is not CPU ${cpu} in the summary`)
    if (step < (next.get(thread) ?? 0) || after !== step / 3)
      throw new Error(`thread ${thread}: step ${step}`)
    next.set(thread, step + 1)
  }
}

describe('threads that share a buffer', () => {
  test('leave a stream that can be read, whatever they do and wherever they die, and each call is in it or counted', () => {
    const who = fc.nat(2)
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ trace: fc.nat(60), who }) },
      { weight: 2, arbitrary: fc.record({ burst: fc.integer({ min: 2, max: 90 }), who }) },
      { weight: 2, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 130 }) }) },
      { weight: 1, arbitrary: fc.record({ die: fc.constantFrom(0, 16, 17, 40, 100), who }) },
    )
    fc.assert(
      fc.property(
        fc.constantFrom('discard' as const, 'overwrite' as const),
        fc.array(step, { maxLength: 60 }),
        (mode, steps) => {
          const scene = new Scene(mode)
          const threads = [scene.thread(), scene.thread(), scene.thread()]
          for (const each of steps) {
            if ('pass' in each) {
              scene.pass(each.pass)
              continue
            }
            const thread = (threads[each.who] ??= scene.thread())
            if (thread === undefined) continue
            if ('trace' in each) scene.trace(thread, each.trace)
            else if ('burst' in each) for (let i = 0; i < each.burst; i += 1) scene.trace(thread, i % 60)
            else {
              scene.die(thread, each.die)
              threads[each.who] = undefined
            }
          }
          const { totals, records, lost } = scene.end()
          expect(sumOf(totals)).toBe(scene.attempts)
          expect(totals).toMatchObject({ torn: scene.torn, unwritten: 0, events: records.length })
          expect(lost).toBe(scene.attempts - records.length)
          check(totals, records)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('get the place of a dead one when what it left open is resolved, and the bytes of that are in no packet', () => {
    const scene = new Scene('discard')
    const threads = Array.from({ length: PLACES }, () => scene.thread() as Played)
    const [first, second] = threads
    scene.trace(first, 3)
    scene.die(first, 40)
    scene.trace(second, 5)
    expect(scene.thread()).toBeUndefined()
    // Before the consumer looks for the dead, a dead thread and a sleeping one look the same. The
    // open claim holds the rest back.
    scene.pass(FLUSH_MS - 1)
    expect(scene.arena.words[scene.arena.placeWord(first.cpu.number, PLACE.owner)]).not.toBe(0)
    scene.pass(1)
    expect(scene.thread()).toBeUndefined()
    // The reader passes its hole with the sub-buffer. No other thread has to fill it.
    scene.pass(3 * GRACE_MS)
    const successor = scene.thread()
    expect(successor?.cpu).toMatchObject({ number: first.cpu.number, placeGeneration: 1 })
    scene.trace(successor as Played, 7)
    const { totals, records } = scene.end()
    expect(totals).toMatchObject({ events: 3, torn: 1, unwritten: 0 })
    check(totals, records)
    expect(totals.cpus.find(({ cpu }) => cpu === first.cpu.number)?.threads).toEqual([
      { generation: 0, threadId: first.identity, threadName: nameOf(first.identity) },
      { generation: 1, threadId: successor?.identity, threadName: nameOf(successor?.identity ?? 0) },
    ])
  })

  test('are told apart, also when the place of one has another owner before its records are delivered', () => {
    const scene = new Scene('discard')
    const threads = Array.from({ length: PLACES }, () => scene.thread() as Played)
    const [stuck, former] = threads
    // Its open claim holds back the other thread's records.
    scene.die(stuck, 40)
    scene.trace(former, 3)
    scene.die(former, 0)
    let successor: Played | undefined
    for (let ms = 0; ms < 2 * FLUSH_MS && successor === undefined; ms += 1) {
      scene.pass(1)
      successor = scene.thread()
    }
    expect(successor?.cpu).toMatchObject({ number: former.cpu.number, placeGeneration: 1 })
    scene.trace(successor as Played, 4)
    const { totals, records } = scene.end()
    expect(totals).toMatchObject({ events: 2, torn: 1 })
    check(totals, records)
    expect(totals.cpus.find(({ cpu }) => cpu === former.cpu.number)?.threads).toEqual([
      { generation: 0, threadId: former.identity, threadName: nameOf(former.identity) },
      { generation: 1, threadId: successor?.identity, threadName: nameOf(successor?.identity ?? 0) },
    ])
  })

  test('end with the recording: what is behind the open claim of one that shows as living for a while is delivered', () => {
    const scene = new Scene('discard')
    const [first, second] = [scene.thread() as Played, scene.thread() as Played]
    scene.die(first, 40)
    scene.lateLooks = 5
    for (let i = 0; i < 10; i += 1) scene.trace(second, 5)
    const { totals, records } = scene.end()
    expect(totals).toMatchObject({ events: 10, torn: 1, unwritten: 0 })
    check(totals, records)
  })

  test('that need a place have the consumer look often, which decides nothing sooner than two looks far apart would', () => {
    const scene = new Scene('discard')
    const threads = Array.from({ length: PLACES }, () => scene.thread() as Played)
    scene.die(threads[0], 40)
    const { words } = scene.arena
    const look = (ms: number): number => {
      Atomics.store(words, ARENA.wanted >> 2, 1)
      if (ms === 0) scene.consumer.doWork()
      scene.pass(ms)
      return words[ARENA.leaving >> 2]
    }
    // All at the same moment.
    for (let i = 0; i < 10; i += 1) expect(look(0)).toBe(1)
    expect(scene.thread()).toBeUndefined()
    for (let i = 0; i < 3 * GRACE_MS && look(1) > 0; i += 1);
    expect(words[ARENA.leaving >> 2]).toBe(0)
    expect(scene.thread()).toBeDefined()
    expect(scene.end().totals).toMatchObject({ torn: 1, unwritten: 0 })
  })
})
