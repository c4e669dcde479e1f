/**
 * Writers and a reader of a global buffer, stepped. Any thread may be stopped anywhere for any
 * time, and a writer may die anywhere: everything adds up.
 *
 * Forbidden: a torn record delivered; a record delivered twice; a delivered record that no thread
 * wrote; a thread's records out of order; a time less than the previous record's; a store into
 * memory that was given to the reader or to another lap; sums that differ from the attempts; with
 * one death, an accepted record that is neither delivered nor overwritten; a buffer that can't be
 * written or read any more after its dead threads were declared dead.
 */
import {
  GLOBAL,
  GLOBAL_SLOT,
  GlobalBuffer,
  GlobalReader,
  GlobalWriter,
  type GlobalGeometry,
  type GlobalSpan,
  type Mode,
} from '@rchan/ring'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fillGlobal, walkGlobal } from '../../../test/global-records.mjs'
import { PausedThread } from '../../../test/stepping/paused.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

/**
 * Of the steps before which a second thread stops, only each so manieth is tried: another one for
 * each of the first.
 */
const STRIDE = 14

/** Bytes of a record, or another action of a writer. */
type Op = number | 'flush' | 'detach'
type ReaderOp = 'drain' | 'newest' | 'recover' | 'flush'

interface Written {
  attempted: number
  /** In a call that has not returned. */
  cut: number
  accepted: string[]
}

interface Delivered {
  records: string[]
  times: number[]
  last: Map<number, number>
  finished: boolean
}

/** One turn: this thread takes so many steps, and dies after them. */
interface Turn {
  readonly thread: number
  readonly steps: number
  readonly dies?: boolean
}

class History {
  readonly buffer: GlobalBuffer
  readonly writers: PausedThread<Written>[]
  readonly reader: PausedThread<Delivered>
  readonly #unit: number
  #time = 0

  constructor(geometry: GlobalGeometry, scripts: readonly (readonly Op[])[], reading: readonly ReaderOp[]) {
    this.buffer = GlobalBuffer.create(geometry)
    this.#unit = geometry.unitBytes
    this.writers = scripts.map((ops, i) => this.#writer(i + 1, ops))
    this.reader = this.#reader(reading)
  }

  run(turns: readonly Turn[]): void {
    const threads = [...this.writers, this.reader]
    for (const { thread, steps, dies } of turns) {
      const one = threads[thread % threads.length]
      one.advance(steps)
      if (dies === true && one !== this.reader && !one.done) one.dead = true
    }
    for (const writer of this.writers) writer.advance(Infinity)
    this.reader.advance(Infinity)
    expect(this.reader.report.finished).toBe(true)
    this.#settle()
  }

  #writer(identity: number, ops: readonly Op[]): PausedThread<Written> {
    return new PausedThread<Written>(
      this.buffer,
      () => ({ attempted: 0, cut: 0, accepted: [] }),
      (thread, buffer) => {
        let time = 0
        const writer = new GlobalWriter(buffer, identity, {
          clock: () => {
            time = thread.access(true, () => (this.#time += 1))
          },
          subbufStart: (view, start) => view.u8.set(new Uint8Array([0xee]), start),
        })
        for (const op of ops) {
          if (op === 'flush') writer.flush()
          else if (op === 'detach') writer.detach()
          else {
            const { report } = thread
            const number = report.attempted
            report.attempted += 1
            report.cut += 1
            const at = writer.reserve(op)
            if (at >= 0) {
              const record = fillGlobal(new Uint8Array(op), identity, number, time)
              // In two parts, between which it may be stopped.
              writer.view.u8.set(record.subarray(0, 5), at)
              writer.view.u8.set(record.subarray(5), at + 5)
              writer.commit(at, op)
              report.accepted.push(`${identity}:${number}`)
            }
            report.cut -= 1
          }
        }
      },
      () => this.#checkStore(identity),
    )
  }

  /** The memory that was stored into is still the writer's. */
  #checkStore(identity: number): void {
    const { buffer } = this
    for (let slot = 0; slot < buffer.geometry.maxWriters; slot += 1) {
      if (buffer.words[buffer.slotWord(slot, GLOBAL_SLOT.identity)] !== identity) continue
      const low = buffer.words[buffer.slotWord(slot, GLOBAL_SLOT.claimAt)]
      const started =
        buffer.words[(GLOBAL.state >> 2) + 1] * buffer.tags +
        (buffer.words[GLOBAL.state >> 2] >>> (buffer.unitBits + 1))
      const tag = low >>> (buffer.unitBits + 1)
      const sequence = started - ((started - tag + buffer.tags) % buffer.tags) - 1
      expect(started - sequence, 'memory that was reused is stored into').toBeLessThanOrEqual(
        buffer.geometry.subbufCount,
      )
      if (buffer.geometry.mode === 'discard') {
        expect(sequence, 'memory that was given back is stored into').toBeGreaterThanOrEqual(
          buffer.doubles[GLOBAL.sequence >> 3],
        )
      }
      return
    }
    throw new Error(`writer ${identity} stores without a slot`)
  }

  #reader(ops: readonly ReaderOp[]): PausedThread<Delivered> {
    return new PausedThread<Delivered>(
      this.buffer,
      () => ({ records: [], times: [], last: new Map(), finished: false }),
      (thread, buffer) => {
        const reader = new GlobalReader(buffer)
        const isDead = (identity: number): boolean =>
          thread.access(true, () => this.writers[identity - 1].dead)
        const take = (span: GlobalSpan | undefined): boolean => {
          if (span === undefined) return false
          this.#deliver(thread, span)
          reader.delivered(span, walkGlobal(span, this.#unit).length)
          return true
        }
        const drain = (): void => {
          while (take(reader.next()));
        }
        for (const op of ops) {
          if (op === 'drain') drain()
          else if (op === 'newest') take(reader.newest())
          else if (op === 'flush') reader.flush()
          else reader.recover(isDead)
        }
        thread.waitUntil(() => this.writers.every(({ done, dead }) => done || dead))
        for (let i = 0; i < 3; i += 1) {
          reader.recover(isDead)
          drain()
        }
        take(reader.newest())
        reader.flush()
        drain()
        reader.recover(isDead)
        expect(reader.remaining()).toBe(0)
        thread.report.finished = true
      },
    )
  }

  #deliver(thread: PausedThread<Delivered>, span: GlobalSpan): void {
    const { report } = thread
    for (const { writer, number, time } of walkGlobal(span, this.#unit)) {
      if (number <= (report.last.get(writer) ?? -1)) {
        throw new Error(`record ${number} of writer ${writer} came after ${report.last.get(writer)}`)
      }
      if (time <= (report.times.at(-1) ?? -1))
        throw new Error(`time ${time} came after ${report.times.at(-1)}`)
      report.last.set(writer, number)
      report.times.push(time)
      report.records.push(`${writer}:${number}`)
    }
    if (this.buffer.geometry.mode === 'overwrite') return
    const { subbufSize, subbufCount } = this.buffer.geometry
    const start = (span.sequence % subbufCount) * subbufSize
    const now = thread.access(true, () => this.buffer.data.slice(start + span.from, start + span.end))
    expect([...now], 'bytes changed under the reader').toEqual([...span.bytes.subarray(span.from, span.end)])
  }

  #settle(): void {
    const { full, tooBig, bad } = this.buffer.discarded()
    const torn = this.buffer.doubles[GLOBAL.torn >> 3]
    const overwritten = this.buffer.doubles[GLOBAL.overwritten >> 3]
    const { records } = this.reader.report
    const deaths = this.writers.filter(({ dead }) => dead).length
    const sum = (of: (written: Written) => number): number =>
      this.writers.reduce((total, { report }) => total + of(report), 0)
    const attempted = sum((written) => written.attempted)
    const cut = sum((written) => written.cut)
    const accounted = records.length + overwritten + torn + full + tooBig + bad
    const sums = JSON.stringify({
      attempted,
      cut,
      delivered: records.length,
      overwritten,
      torn,
      full,
      tooBig,
      bad,
    })
    expect(accounted, sums).toBeLessThanOrEqual(attempted)
    expect(accounted, sums).toBeGreaterThanOrEqual(attempted - cut)
    if (deaths < 2) expect(torn, sums).toBeLessThanOrEqual(cut)
    const delivered = new Set(records)
    expect(delivered.size).toBe(records.length)
    const missing = this.writers
      .flatMap(({ report }) => report.accepted)
      .filter((record) => !delivered.has(record))
    if (this.buffer.geometry.mode === 'discard') expect(overwritten).toBe(0)
    expect(missing.length, sums).toBeLessThanOrEqual(overwritten + (deaths < 2 ? 0 : torn))
    this.#goesOn()
  }

  /** A new thread can still write, and is read. */
  #goesOn(): void {
    const { subbufSize, subbufCount, headerBytes } = this.buffer.geometry
    const reader = new GlobalReader(this.buffer)
    const writer = new GlobalWriter(this.buffer, 99)
    const length = subbufSize - headerBytes
    for (let number = 0; number <= subbufCount; number += 1) {
      expect(writer.write(fillGlobal(new Uint8Array(length), 99, number, number))).toBe(true)
      writer.flush()
      const span = reader.next()
      if (span === undefined) throw new Error('stuck: what was written afterwards can not be read')
      expect(walkGlobal(span, this.#unit)).toEqual([{ writer: 99, number, time: number }])
      reader.delivered(span, span.records)
    }
    expect(
      reader.recover((identity) => identity !== 99),
      'a slot was not freed',
    ).toBe(false)
  }
}

const GEOMETRIES = (
  [
    ['discard', 1],
    ['discard', 2],
    ['discard', 3],
    ['overwrite', 2],
    ['overwrite', 3],
  ] as [Mode, number][]
).flatMap(([mode, subbufCount]) =>
  [0, 8].map((headerBytes): GlobalGeometry => ({
    subbufSize: 48,
    subbufCount,
    mode,
    headerBytes,
    unitBytes: headerBytes === 0 ? 1 : 8,
    maxWriters: 5,
  })),
)

const FIRST: Op[] = [16, 20, 24]
const SECOND: Op[] = [24, 16, 'flush', 17]
const READING: ReaderOp[] = ['recover', 'drain', 'newest', 'recover', 'drain']

describe.each(
  GEOMETRIES.map(
    (shape) =>
      [`${shape.mode} mode, ${shape.subbufCount} × 48 bytes, header ${shape.headerBytes}`, shape] as const,
  ),
)('%s:', (_, geometry) => {
  const history = (): History => new History(geometry, [FIRST, SECOND], READING)
  const [first, second] = ((): [number, number] => {
    const alone = history()
    alone.run([])
    return [alone.writers[0].steps, alone.writers[1].steps]
  })()

  test('a writer may stop before any of its steps and another before any of its own', () => {
    for (let i = 0; i <= first; i += 1) {
      for (let j = 0; j <= second; j += STRIDE) {
        history().run([
          { thread: 0, steps: i },
          { thread: 1, steps: j + (i % STRIDE) },
          { thread: 2, steps: Infinity },
          { thread: 0, steps: Infinity },
        ])
      }
    }
  })

  test('the reader may stop before any of its steps, with a writer in the middle of a record and another at work', () => {
    const equal = (): History =>
      new History(
        geometry,
        [
          [16, 16],
          [16, 16, 16],
        ],
        ['newest', 'drain', 'newest', 'drain'],
      )
    for (let i = 0; i <= first; i += 1 + (i % 2)) {
      let pausing = true
      for (let k = i % 4; pausing && k < 60; k += 4) {
        const one = equal()
        one.run([
          { thread: 0, steps: i },
          { thread: 2, steps: k },
          { thread: 1, steps: k % 2 === 0 ? Infinity : second >> 1 },
          { thread: 2, steps: Infinity },
        ])
        pausing = one.reader.steps >= k
      }
    }
  })

  test('a writer may die before any of its steps, with another stopped before any of its own', () => {
    for (let i = 0; i <= first; i += 1) {
      for (let j = 0; j <= second; j += STRIDE) {
        history().run([
          { thread: 1, steps: j + (i % STRIDE) },
          { thread: 0, steps: i, dies: true },
          { thread: 1, steps: j % 2 === 0 ? 7 : 0 },
          { thread: 2, steps: Infinity },
        ])
      }
    }
  })
})

const op = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 16, max: 34 }) }, fc.constant('flush' as const))
const geometry = fc
  .record({
    mode: fc.constantFrom<Mode>('discard', 'overwrite'),
    subbufCount: fc.integer({ min: 1, max: 4 }),
    subbufSize: fc.constantFrom(32, 40, 64, 72),
    headerBytes: fc.constantFrom(0, 8),
    unitBytes: fc.constantFrom(1, 2, 4, 8),
    maxWriters: fc.constant(8),
    tagLaps: fc.constantFrom(2, 3, 1e6),
  })
  .map(({ tagLaps, ...shape }) => ({
    ...shape,
    mostTags: Math.min(2 ** 32, tagLaps * shape.subbufCount),
  })) as fc.Arbitrary<GlobalGeometry>
const scripts = fc.array(fc.array(op, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 })
const reading = fc.array(
  fc.constantFrom<ReaderOp>('drain', 'drain', 'newest', 'recover', 'recover', 'flush'),
  { maxLength: 14 },
)
const turns = fc.array(
  fc.record({
    thread: fc.integer({ min: 0, max: 3 }),
    steps: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 60 })),
    dies: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  }),
  { maxLength: 40 },
)

test(`any history of writers that take turns and die adds up (seed ${SEED})`, () => {
  fc.assert(
    fc.property(geometry, scripts, reading, turns, (shape, ops, readerOps, order) => {
      new History(shape, ops, readerOps).run(order)
    }),
    { seed: SEED, numRuns: 1000 },
  )
})
