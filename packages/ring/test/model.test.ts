/**
 * One writer and one reader against plain arrays, on one thread: the same records and losses at
 * each step.
 */
import { BUFFER, Channel, Reader, Writer, type Geometry, type Mode } from '@rchan/ring'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeRecord, MIN_RECORD_BYTES, walkRecords } from '../../../test/records.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

/** A sub-buffer of the model. */
interface ModelSubbuf {
  readonly sequence: number
  readonly records: Uint8Array[]
  bytes: number
}

/** A model of a ring, without memory: lists of records. */
class Model {
  readonly #geometry: Geometry
  #complete: ModelSubbuf[] = []
  #open: ModelSubbuf | undefined
  #sequence: number
  #readSequence: number
  /** Records of the reader's sub-buffer that were delivered. */
  #taken = 0
  #sample: { sequence: number; records: Uint8Array[] } | undefined
  attempted = 0
  delivered = 0
  overwritten = 0
  full = 0
  tooBig = 0

  constructor(geometry: Geometry, base: number) {
    this.#geometry = geometry
    this.#sequence = base
    this.#readSequence = base
    this.#start()
  }

  get inBuffer(): number {
    const all = [...this.#complete, ...(this.#open === undefined ? [] : [this.#open])]
    return all.reduce((sum, { sequence, records }) => sum + records.length - this.#takenOf(sequence), 0)
  }

  write(record: Uint8Array): boolean {
    const { subbufSize, headerBytes } = this.#geometry
    this.attempted += 1
    if (this.#open === undefined || this.#open.bytes + record.length > subbufSize) {
      if (headerBytes + record.length > subbufSize) {
        this.tooBig += 1
        return false
      }
      if (!this.#switch()) {
        this.full += 1
        return false
      }
    }
    this.#open?.records.push(record)
    if (this.#open !== undefined) this.#open.bytes += record.length
    return true
  }

  flush(): void {
    if (this.#open !== undefined && this.#open.records.length > 0) this.#switch()
  }

  /**
   * The records of the next complete sub-buffer that still has some; empty ones are passed over.
   */
  next(): Uint8Array[] | undefined {
    for (;;) {
      const subbuf = this.#complete.shift()
      if (subbuf === undefined) return undefined
      const rest = subbuf.records.slice(this.#takenOf(subbuf.sequence))
      this.#readSequence = subbuf.sequence + 1
      this.#taken = 0
      this.delivered += rest.length
      if (rest.length > 0) return rest
    }
  }

  sample(): boolean {
    this.#sample = undefined
    if (this.#open === undefined) return false
    const { sequence, records } = this.#open
    if (records.length === this.#takenOf(sequence)) return false
    this.#sample = { sequence, records: [...records] }
    return true
  }

  aged(): Uint8Array[] | undefined {
    return this.#part(this.#sample)
  }

  newest(): Uint8Array[] | undefined {
    return this.#part(this.#open)
  }

  /** The reader took the first `count` records of a part. */
  took(count: number): void {
    this.#taken += count
    this.delivered += count
  }

  retire(): void {
    this.#sample = undefined
    if (this.#open === undefined) return
    this.#readSequence += 1
    this.#taken = 0
    this.#open = undefined
    this.#sequence += 1
  }

  takeOver(): void {
    if (this.#open === undefined) this.#start()
  }

  #part(of: { sequence: number; records: Uint8Array[] } | undefined): Uint8Array[] | undefined {
    if (of === undefined || of.sequence !== this.#readSequence) return undefined
    const records = of.records.slice(this.#taken)
    return records.length > 0 ? records : undefined
  }

  #takenOf(sequence: number): number {
    return sequence === this.#readSequence ? this.#taken : 0
  }

  #switch(): boolean {
    if (this.#open !== undefined) {
      this.#complete.push(this.#open)
      this.#open = undefined
      this.#sequence += 1
    }
    return this.#start()
  }

  #start(): boolean {
    const { mode, subbufCount, headerBytes } = this.#geometry
    if (this.#sequence - this.#readSequence >= subbufCount) {
      if (mode === 'discard') return false
      const lapped = this.#complete.shift()
      if (lapped !== undefined) this.overwritten += lapped.records.length - this.#takenOf(lapped.sequence)
      this.#readSequence += 1
      this.#taken = 0
    }
    this.#open = { sequence: this.#sequence, records: [], bytes: headerBytes }
    return true
  }
}

type Step =
  | { readonly do: 'write'; readonly bytes: number }
  | { readonly do: 'flush' | 'drain' | 'next' | 'sample' | 'die' }
  | { readonly do: 'aged' | 'newest'; readonly leave: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      bytes: fc.integer({ min: MIN_RECORD_BYTES, max: 50 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('flush', 'drain', 'next', 'sample', 'sample') }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('aged', 'aged', 'newest'),
      leave: fc.constantFrom(0, 0, 0, 1, 2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const) }) },
)

const geometry: fc.Arbitrary<Geometry> = fc
  .record({
    mode: fc.constantFrom<Mode>('discard', 'overwrite'),
    subbufCount: fc.integer({ min: 1, max: 5 }),
    subbufSize: fc.integer({ min: 1, max: 8 }).map((eighths) => eighths * 8),
    headerBytes: fc.integer({ min: 0, max: 16 }),
  })
  .filter(({ mode, subbufCount }) => mode === 'discard' || subbufCount > 1)
  .filter(({ subbufSize, headerBytes }) => headerBytes <= subbufSize - 8)

/** Sub-buffers that there have been before. */
const base = fc.constantFrom(0, 0, 1, 7, 2 ** 31 - 2, 2 ** 31 - 1, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 40)

function run(shape: Geometry, from: number, steps: readonly Step[]): void {
  const channel = Channel.create({ ...shape, possibleCpus: 1 })
  const buffer = channel.buffer(0)
  for (const word of [BUFFER.produced, BUFFER.started, BUFFER.consumed]) {
    buffer.counters[word >> 3] = BigInt(from)
  }
  let writer = new Writer(buffer)
  const reader = new Reader(buffer)
  const model = new Model(shape, from)
  const bytesOf = (
    span: { bytes: Uint8Array; from: number; end: number } | undefined,
  ): number[] | undefined => (span === undefined ? undefined : [...span.bytes.subarray(span.from, span.end)])
  const join = (records: Uint8Array[] | undefined): number[] | undefined =>
    records?.flatMap((record) => [...record])

  const next = (): boolean => {
    const span = reader.next()
    const expected = model.next()
    expect(bytesOf(span)).toEqual(join(expected))
    if (span === undefined) return false
    expect(span.records).toBe(expected?.length)
    reader.delivered(span, span.records)
    return true
  }
  const part = (kind: 'aged' | 'newest', leave: number): void => {
    const span = reader[kind]()
    const expected = model[kind]()
    expect(bytesOf(span)).toEqual(join(expected))
    if (span === undefined || expected === undefined) return
    expect(span.records).toBe(-1)
    const taken = expected.slice(0, Math.max(1, expected.length - leave))
    const end = span.from + taken.reduce((sum, record) => sum + record.length, 0)
    expect(walkRecords(span.bytes, span.from, end)).toHaveLength(taken.length)
    reader.delivered(span, taken.length, end)
    model.took(taken.length)
  }

  for (const one of steps) {
    if (one.do === 'write') {
      const record = makeRecord(one.bytes, model.attempted)
      expect(writer.write(record)).toBe(model.write(record))
    } else if (one.do === 'flush') {
      writer.flush()
      model.flush()
    } else if (one.do === 'drain') {
      while (next());
    } else if (one.do === 'next') {
      next()
    } else if (one.do === 'sample') {
      expect(reader.sample()).toBe(model.sample())
    } else if (one.do === 'aged' || one.do === 'newest') {
      part(one.do, one.leave)
    } else {
      // The owner dies, the reader retires it, and another one takes over.
      while (next());
      part('newest', 0)
      expect(reader.retire()).toBe(0)
      model.retire()
      writer = new Writer(buffer)
      model.takeOver()
    }
    expect(buffer.discarded()).toEqual({ full: model.full, tooBig: model.tooBig, bad: 0 })
    // A loss is known only once the reader meets it. Until then the record counts as remaining.
    expect(reader.overwritten).toBeLessThanOrEqual(model.overwritten)
    expect(reader.overwritten + reader.remaining()).toBe(model.overwritten + model.inBuffer)
    expect(model.delivered + model.overwritten + model.full + model.tooBig + model.inBuffer).toBe(
      model.attempted,
    )
  }
  while (next());
  part('newest', 0)
  expect(reader.overwritten).toBe(model.overwritten)
  expect(reader.remaining()).toBe(0)
}

test(`the reader gets what the model has, and what it lost is counted, after every step (seed ${SEED})`, () => {
  fc.assert(fc.property(geometry, base, fc.array(step, { maxLength: 60 }), run), {
    seed: SEED,
    numRuns: 1500,
  })
})
