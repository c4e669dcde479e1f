/**
 * One owner after the other, stepped. No reader retires a dead owner: the next owner goes on in the
 * open sub-buffer. Owners reset the buffer, and may die anywhere, also within a reset. The reader
 * steps in anywhere.
 *
 * Forbidden: a delivered record that is torn, delivered twice, out of order, or that no thread
 * wrote; an accepted record that is neither delivered nor counted as overwritten; a sum that
 * differs from the attempts; a count of completed bytes that goes down.
 */
import { Channel, Reader, Writer, type BufferMemory, type Geometry, type Mode, type Span } from '@rchan/ring'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeRecord, walkRecords } from '../../../test/records.mjs'
import { interruptIn } from '../../../test/stepping/interrupted.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
const NEVER = -1

type Op = number | 'flush' | 'switch' | 'reset'
type Action = 'drain' | 'next' | 'sample' | 'aged'
interface Life {
  readonly ops: readonly Op[]
  readonly actions: readonly { readonly at: number; readonly action: Action }[]
  readonly deathAt: number
}

/** The account of owners that no reader retires. */
class Books {
  attempted = 0
  resets = 0
  readonly accepted: number[] = []
  /**
   * Attempts that were cut off: their record may be there, may count without being there, or left
   * no trace.
   */
  readonly cut: number[] = []
  readonly delivered: number[] = []
  /** Numbers of a span that a reset made invalid while it was used. */
  refused = 0

  run(writer: Writer, op: Op): void {
    if (op === 'flush') return writer.flush()
    if (op === 'switch') return void writer.switch(0)
    if (op === 'reset') {
      if (writer.reset()) this.resets += 1
      return
    }
    const number = this.attempted
    this.attempted += 1
    this.cut.push(number)
    const isAccepted = writer.write(makeRecord(op, number))
    this.cut.pop()
    if (isAccepted) this.accepted.push(number)
  }

  take(reader: Reader, span: Span | undefined): boolean {
    if (span === undefined) return false
    const numbers = walkRecords(span.bytes.slice(), span.from, span.end)
    if (!reader.delivered(span, numbers.length)) {
      this.refused += 1
      return true
    }
    // At most the records that a dead owner had counted are missing.
    if (span.complete && (span.records < numbers.length || span.records > numbers.length + this.cut.length)) {
      throw new Error(`the span of ${numbers.length} records says records=${span.records}`)
    }
    for (const number of numbers) {
      if (number <= (this.delivered.at(-1) ?? -1)) {
        throw new Error(`record ${number} was delivered after ${this.delivered.at(-1)}`)
      }
      this.delivered.push(number)
    }
    return true
  }

  act(action: Action, reader: Reader): void {
    if (action === 'drain') while (this.take(reader, reader.next()));
    else if (action === 'next') this.take(reader, reader.next())
    else if (action === 'sample') reader.sample()
    else this.take(reader, reader.aged())
  }

  /** Once the owner has stopped. */
  finish(reader: Reader): void {
    this.act('drain', reader)
    this.take(reader, reader.newest())
  }

  settle(reader: Reader, buffer: BufferMemory): void {
    const { full, tooBig, bad } = buffer.discarded()
    reader.settle()
    const accounted = this.delivered.length + reader.overwritten + full + tooBig + bad + reader.remaining()
    const what = `${JSON.stringify(this)} overwritten=${reader.overwritten} remaining=${reader.remaining()}`
    expect(accounted, what).toBeLessThanOrEqual(this.attempted)
    expect(accounted, what).toBeGreaterThanOrEqual(this.attempted - this.cut.length)
    // A record that its owner had counted, and no more, is neither delivered nor lost.
    expect(reader.remaining(), what).toBeLessThanOrEqual(this.cut.length)
    const written = new Set([...this.accepted, ...this.cut])
    expect(this.delivered.filter((number) => !written.has(number))).toEqual([])
    if (buffer.geometry.mode === 'overwrite' || this.resets > 0) return
    expect(reader.overwritten).toBeLessThanOrEqual(this.cut.length)
    const cut = new Set(this.cut)
    expect(this.delivered.filter((number) => !cut.has(number))).toEqual(this.accepted)
  }
}

/** @returns how many accesses each owner made. */
function live(geometry: Geometry, lives: readonly Life[]): number[] {
  const channel = Channel.create({ ...geometry, possibleCpus: 1 })
  const buffer = channel.buffer(0)
  const reader = channel.reader(0)
  const books = new Books()
  const steps: number[] = []
  let bytes = 0
  for (const { ops, actions, deathAt } of [...lives, { ops: [], actions: [], deathAt: NEVER }]) {
    const before = (step: number): void => {
      for (const { at, action } of actions) if (at === step) books.act(action, reader)
    }
    const resets = Atomics.load(buffer.words, 20)
    const life = interruptIn(buffer, 'none', { before, deathAt }, (memory) => {
      const writer = new Writer(memory)
      for (const op of ops) books.run(writer, op)
    })
    // An owner that dies in a reset, or repeats one, makes it count as done.
    if (Atomics.load(buffer.words, 20) !== resets) books.resets += 1
    if (resets % 2 === 0 && Atomics.load(buffer.words, 20) % 2 === 0) {
      const completed = completedBytes(buffer)
      expect(completed).toBeGreaterThanOrEqual(bytes)
      bytes = completed
    }
    reader.sample()
    books.finish(reader)
    books.take(reader, reader.aged())
    steps.push(life.steps)
  }
  books.finish(reader)
  books.settle(reader, buffer)
  return steps
}

/** Bytes completed before the sub-buffer that is open, or behind the last one. */
function completedBytes(buffer: BufferMemory): number {
  const { subbufSize, subbufCount } = buffer.geometry
  const produced = Number(buffer.counters[8])
  const index = produced % subbufCount
  if (Number(buffer.counters[9]) > produced && buffer.hasLabel(index, produced)) {
    return buffer.doubles[buffer.bytesBeforeDouble(index)]
  }
  if (produced === 0) return 0
  const last = (produced - 1) % subbufCount
  return (
    buffer.doubles[buffer.bytesBeforeDouble(last)] + buffer.words[buffer.endWord(last)] - last * subbufSize
  )
}

const GEOMETRIES: Geometry[] = (
  [
    ['discard', 1],
    ['discard', 2],
    ['discard', 3],
    ['overwrite', 2],
    ['overwrite', 3],
  ] as [Mode, number][]
).flatMap(([mode, subbufCount]) =>
  [0, 8].map((headerBytes) => ({ subbufSize: 32, subbufCount, mode, headerBytes })),
)
const OPS: Op[] = [
  6,
  12,
  14,
  'flush',
  24,
  9,
  'reset',
  9,
  9,
  'switch',
  'reset',
  6,
  33,
  12,
  12,
  20,
  'flush',
  'reset',
  8,
]

describe.each(
  GEOMETRIES.map(
    (shape) =>
      [`${shape.mode} mode, ${shape.subbufCount} × 32 bytes, header ${shape.headerBytes}`, shape] as const,
  ),
)('%s:', (_, geometry) => {
  test('an owner may die before any of its accesses, and so may the one that goes on where it stopped', () => {
    const quiet: Life = { ops: OPS, actions: [], deathAt: NEVER }
    const [first, second] = live(geometry, [quiet, quiet])
    const drained: Life = { ...quiet, actions: [{ at: first >> 1, action: 'drain' }] }
    for (let deathAt = 0; deathAt < first; deathAt += 1) {
      live(geometry, [{ ...quiet, deathAt }, quiet])
      live(geometry, [{ ...drained, deathAt }, drained])
      // The next owner dies while it finishes the reset of the first.
      for (const again of [3, 9, 15])
        live(geometry, [{ ...quiet, deathAt }, { ...drained, deathAt: again }, quiet])
    }
    for (let deathAt = 0; deathAt < second; deathAt += 1) {
      live(geometry, [drained, { ...drained, deathAt }, { ...drained, deathAt: deathAt % 7 }, drained])
    }
  })

  test('the reader may step in before any access of an owner, within a reset too', () => {
    const quiet: Life = { ops: OPS, actions: [], deathAt: NEVER }
    const [, steps] = live(geometry, [quiet, quiet])
    for (let i = 0; i < steps; i += 1) {
      for (const j of [i, i + 1, i + 5, i + 17]) {
        const actions: Life['actions'] = [
          { at: i, action: 'drain' },
          { at: i, action: 'sample' },
          { at: j, action: 'next' },
          { at: j, action: 'aged' },
        ]
        live(geometry, [quiet, { ...quiet, actions }])
      }
    }
  })
})

const op = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 6, max: 34 }) },
  fc.constantFrom<Op>('flush', 'switch', 'reset'),
)
const geometry = fc
  .record({
    mode: fc.constantFrom<Mode>('discard', 'overwrite'),
    subbufCount: fc.integer({ min: 1, max: 4 }),
    subbufSize: fc.constantFrom(16, 24, 32, 64),
    headerBytes: fc.integer({ min: 0, max: 8 }),
  })
  .filter(({ mode, subbufCount }) => mode === 'discard' || subbufCount > 1)
const at = fc.integer({ min: 0, max: 120 })
const lives = fc.array(
  fc.record({
    ops: fc.array(op, { maxLength: 20 }),
    actions: fc.array(
      fc.record({ at, action: fc.constantFrom<Action>('drain', 'next', 'sample', 'sample', 'aged', 'aged') }),
      { maxLength: 10 },
    ),
    deathAt: fc.oneof(fc.constant(NEVER), fc.integer({ min: 0, max: 8 }), at),
  }),
  { minLength: 1, maxLength: 5 },
)

test(`any history of owners that reset and die adds up (seed ${SEED})`, () => {
  fc.assert(
    fc.property(geometry, lives, (shape, owners) => void live(shape, owners)),
    { seed: SEED, numRuns: 3000 },
  )
})

const reading = fc.array(fc.constantFrom<Action>('next', 'next', 'sample', 'aged', 'aged'), {
  minLength: 5,
  maxLength: 20,
})
const bursts = fc.array(
  fc.record({ at: fc.integer({ min: 0, max: 250 }), ops: fc.array(op, { minLength: 1, maxLength: 12 }) }),
  { minLength: 1, maxLength: 12 },
)

test(`a reset within anything that the reader does makes it start anew (seed ${SEED})`, () => {
  let refused = 0
  let postponed = 0
  fc.assert(
    fc.property(geometry, reading, bursts, (shape, actions, writes) => {
      const channel = Channel.create({ ...shape, possibleCpus: 1 })
      const buffer = channel.buffer(0)
      const writer = new Writer(buffer)
      const books = new Books()
      let isOver = false
      const before = (step: number): void => {
        for (const burst of writes) {
          if (isOver || burst.at !== step) continue
          for (const one of burst.ops) {
            const resets = books.resets
            books.run(writer, one)
            if (one === 'reset' && books.resets === resets) postponed += 1
          }
        }
      }
      interruptIn(buffer, 'reads', { before }, (memory) => {
        const reader = new Reader(memory)
        for (const action of actions) books.act(action, reader)
        isOver = true
        books.finish(reader)
        books.settle(reader, buffer)
      })
      refused += books.refused
    }),
    { seed: SEED, numRuns: 3000 },
  )
  expect(refused).toBeGreaterThan(0)
  expect(postponed).toBeGreaterThan(0)
})
