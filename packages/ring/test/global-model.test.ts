/**
 * Writers and a reader of a global buffer against plain arrays, on one thread: the same records and
 * losses at each step.
 */
import {
  GlobalBuffer,
  GlobalReader,
  GlobalWriter,
  type GlobalGeometry,
  type GlobalSpan,
  type Mode,
} from '@rchan/ring'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fillGlobal, MIN_GLOBAL_BYTES, walkGlobal } from '../../../test/global-records.mjs'
import { startFrom } from '../../../test/global-start.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

interface ModelSubbuf {
  readonly sequence: number
  readonly records: string[]
  units: number
}

/** A model of a global buffer, without memory. */
class Model {
  readonly #geometry: GlobalGeometry
  readonly #units: number
  readonly #header: number
  /** Those that were not given back or overwritten; the last may be open. */
  #subbufs: ModelSubbuf[] = []
  #open = false
  #next: number
  /** Records of the oldest one that were delivered. */
  #taken = 0
  readonly counts = { attempted: 0, delivered: 0, overwritten: 0, full: 0, tooBig: 0 }

  constructor(geometry: GlobalGeometry, base: number) {
    this.#geometry = geometry
    this.#units = geometry.subbufSize / geometry.unitBytes
    this.#header = geometry.headerBytes / geometry.unitBytes
    this.#next = base
  }

  get remaining(): number {
    return this.#subbufs.reduce((sum, { records }) => sum + records.length, 0) - this.#taken
  }

  write(name: string, bytes: number): boolean {
    const units = Math.ceil(bytes / this.#geometry.unitBytes)
    this.counts.attempted += 1
    if (units > this.#units - this.#header) {
      this.counts.tooBig += 1
      return false
    }
    if (this.#open && (this.#subbufs.at(-1)?.units ?? 0) + units > this.#units) this.#open = false
    if (!this.#open && !this.#start()) {
      this.counts.full += 1
      return false
    }
    const current = this.#subbufs.at(-1)
    if (current === undefined) throw new Error('none is open')
    current.records.push(name)
    current.units += units
    return true
  }

  flush(): void {
    if ((this.#subbufs.at(-1)?.units ?? 0) > this.#header) this.#open = false
  }

  next(): string[] | undefined {
    if (this.#subbufs.length < (this.#open ? 2 : 1)) return undefined
    const rest = this.#subbufs[0].records.slice(this.#taken)
    this.#subbufs.shift()
    this.#taken = 0
    this.counts.delivered += rest.length
    return rest.length === 0 ? this.next() : rest
  }

  newest(leave: number): string[] | undefined {
    if (!this.#open || this.#subbufs.length !== 1) return undefined
    const records = this.#subbufs[0].records.slice(this.#taken)
    if (records.length === 0) return undefined
    const taken = records.slice(0, Math.max(1, records.length - leave))
    this.#taken += taken.length
    this.counts.delivered += taken.length
    return taken
  }

  #start(): boolean {
    if (this.#subbufs.length === this.#geometry.subbufCount) {
      if (this.#geometry.mode === 'discard') return false
      this.counts.overwritten += (this.#subbufs.shift()?.records.length ?? 0) - this.#taken
      this.#taken = 0
    }
    this.#subbufs.push({ sequence: this.#next, records: [], units: this.#header })
    this.#next += 1
    this.#open = true
    return true
  }
}

type Step =
  | { readonly do: 'write'; readonly writer: number; readonly bytes: number }
  | { readonly do: 'flush' | 'drain' | 'next' }
  | { readonly do: 'newest'; readonly leave: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      writer: fc.integer({ min: 0, max: 2 }),
      bytes: fc.integer({ min: MIN_GLOBAL_BYTES, max: 70 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('flush', 'drain', 'next', 'next') }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('newest' as const), leave: fc.integer({ min: 0, max: 2 }) }),
  },
)

const geometry = fc
  .record({
    mode: fc.constantFrom<Mode>('discard', 'overwrite'),
    subbufCount: fc.integer({ min: 1, max: 5 }),
    subbufSize: fc.integer({ min: 3, max: 12 }).map((eighths) => eighths * 8),
    headerBytes: fc.constantFrom(0, 8, 16),
    unitBytes: fc.constantFrom(1, 2, 4, 8),
    maxWriters: fc.constant(3),
    tagLaps: fc.constantFrom(2, 3, 1e9),
  })
  .map(({ tagLaps, ...shape }) => ({
    ...shape,
    mostTags: Math.min(2 ** 32, shape.subbufCount * tagLaps),
  })) as fc.Arbitrary<GlobalGeometry>

/** Sub-buffers and units that there have been before. */
const base = fc.constantFrom(0, 0, 1, 7, 2 ** 31 - 2, 2 ** 31 - 1, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 33 - 3)
const committed = fc.constantFrom(0, 2 ** 31 - 5, 2 ** 31 - 1, 2 ** 32 - 9, 2 ** 32 - 1)

function run(shape: GlobalGeometry, from: number, units: number, steps: readonly Step[]): void {
  // The end of the epochs. No real buffer has so few tags and is written for so long.
  fc.pre(from < 2 ** 32 * GlobalBuffer.create(shape).tags - 100)
  const buffer = startFrom(shape, from, units)
  const writers = [0, 1, 2].map((i) => new GlobalWriter(buffer, i + 1))
  const numbers = [0, 0, 0]
  const reader = new GlobalReader(buffer)
  const model = new Model(shape, from)
  const namesOf = (span: GlobalSpan | undefined, end = span?.end): string[] | undefined =>
    span === undefined
      ? undefined
      : walkGlobal({ ...span, end: end ?? 0 }, shape.unitBytes).map(
          ({ writer, number }) => `${writer}:${number}`,
        )

  const next = (): boolean => {
    const span = reader.next()
    const expected = model.next()
    expect(namesOf(span)).toEqual(expected)
    if (span === undefined) return false
    expect(span.holes).toEqual([])
    expect(span.records).toBe(expected?.length)
    reader.delivered(span, span.records)
    return true
  }
  for (const one of steps) {
    if (one.do === 'write') {
      const number = (numbers[one.writer] += 1)
      const record = fillGlobal(new Uint8Array(one.bytes), one.writer, number, 0)
      expect(writers[one.writer].write(record)).toBe(model.write(`${one.writer}:${number}`, one.bytes))
    } else if (one.do === 'flush') {
      writers[0].flush()
      model.flush()
    } else if (one.do === 'drain') {
      while (next());
    } else if (one.do === 'next') {
      next()
    } else if (one.do === 'newest') {
      const span = reader.newest()
      const expected = model.newest(one.leave)
      if (span === undefined || expected === undefined) {
        expect(span).toBe(expected)
        continue
      }
      expect(span.records).toBe(-1)
      const whole = namesOf(span) ?? []
      const lengths = [...lengthsOf(span, shape.unitBytes)]
      const end = span.from + lengths.slice(0, expected.length).reduce((sum, length) => sum + length, 0)
      expect(whole.slice(0, expected.length)).toEqual(expected)
      reader.delivered(span, expected.length, end)
    }
    const { counts } = model
    expect(buffer.discarded()).toEqual({ full: counts.full, tooBig: counts.tooBig, bad: 0 })
    expect(reader.remaining()).toBe(model.remaining)
    expect(reader.overwritten).toBe(counts.overwritten)
    expect(reader.torn).toBe(0)
    expect(buffer.written()).toBe(counts.delivered + counts.overwritten + model.remaining)
    expect(buffer.written() + counts.full + counts.tooBig).toBe(counts.attempted)
  }
  reader.flush()
  model.flush()
  while (next());
  expect(reader.remaining()).toBe(0)
}

function* lengthsOf({ bytes, from, end }: GlobalSpan, unitBytes: number): Generator<number> {
  for (let at = from; at < end;) {
    const length = Math.ceil((bytes[at] | (bytes[at + 1] << 8)) / unitBytes) * unitBytes
    yield length
    at += length
  }
}

test(`the reader gets what the model has, and what is lost is counted, after every step (seed ${SEED})`, () => {
  fc.assert(fc.property(geometry, base, committed, fc.array(step, { maxLength: 60 }), run), {
    seed: SEED,
    numRuns: 1000,
  })
})
