/**
 * One writer and one reader, stepped. The reader may act between any two accesses of the writer,
 * the writer between any two of the reader, and a writer may die anywhere: everything adds up. See
 * ledger.ts for the forbidden outcomes.
 */
import { BUFFER, Channel, Reader, Writer, type Geometry, type Mode } from '@rchan/ring'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Ledger } from './ledger.js'
import { interruptIn } from '../../../test/stepping/interrupted.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

type Op = number | 'flush'
type Action = 'drain' | 'next' | 'sample' | 'aged'

/**
 * An owner: what it does, what the reader does before its n-th access, and before which access it
 * dies.
 */
interface Life {
  readonly ops: readonly Op[]
  readonly actions: readonly { readonly at: number; readonly action: Action }[]
  readonly deathAt: number
}

function act(action: Action, reader: Reader, ledger: Ledger): void {
  if (action === 'drain') ledger.drain(reader)
  else if (action === 'next') ledger.take(reader, reader.next())
  else if (action === 'sample') reader.sample()
  else ledger.take(reader, reader.aged())
}

/** @returns how many accesses each owner made. */
function live(geometry: Geometry, lives: readonly Life[]): number[] {
  const channel = Channel.create({ ...geometry, possibleCpus: 1 })
  const buffer = channel.buffer(0)
  const reader = channel.reader(0)
  const ledger = new Ledger()
  const steps: number[] = []
  for (const { ops, actions, deathAt } of lives) {
    let online = false
    const before = (step: number): void => {
      for (const { at, action } of actions) if (at === step) act(action, reader, ledger)
    }
    const life = interruptIn(buffer, 'stores', { before, deathAt }, (memory) => {
      const writer = new Writer(memory)
      online = true
      for (const op of ops) {
        if (op === 'flush') writer.flush()
        else ledger.write(writer, op)
      }
    })
    // Between death and reaping the reader goes on as before.
    reader.sample()
    ledger.drain(reader)
    ledger.take(reader, reader.aged())
    // An owner that died before it was online has written nothing; the consumer does not retire it.
    if (online) {
      ledger.drainDead(reader)
      ledger.torn += reader.retire()
    }
    steps.push(life.steps)
  }
  ledger.drainDead(reader)
  ledger.settle(reader, buffer)
  return steps
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
const OPS: Op[] = [6, 12, 14, 7, 'flush', 'flush', 24, 9, 9, 9, 30, 6, 33, 12, 12]
const NEVER = -1

describe.each(
  GEOMETRIES.map(
    (shape) =>
      [`${shape.mode} mode, ${shape.subbufCount} × 32 bytes, header ${shape.headerBytes}`, shape] as const,
  ),
)('%s:', (_, geometry) => {
  test('an owner may die before any of its accesses, and so may the one that takes over', () => {
    const quiet = { ops: OPS, actions: [], deathAt: NEVER }
    const [first, second] = live(geometry, [quiet, quiet])
    const drained = { ops: OPS, actions: [{ at: first >> 1, action: 'drain' as const }], deathAt: NEVER }
    for (let deathAt = 0; deathAt < first; deathAt += 1) {
      live(geometry, [{ ...quiet, deathAt }, quiet])
      live(geometry, [{ ...drained, deathAt }, drained])
    }
    for (let deathAt = 0; deathAt < second; deathAt += 1) {
      live(geometry, [drained, { ...drained, deathAt }, { ...drained, deathAt: deathAt % 7 }, drained])
    }
  })

  test('the reader may sample before any access of an owner, and take the part before any later one', () => {
    const quiet = { ops: OPS, actions: [], deathAt: NEVER }
    const [, steps] = live(geometry, [quiet, quiet])
    for (let i = 0; i < steps; i += 1) {
      for (let j = i; j <= i + 24; j += 1) {
        const actions: Life['actions'] = [
          { at: i, action: 'drain' },
          { at: i, action: 'sample' },
          { at: j, action: 'drain' },
          { at: j, action: 'aged' },
        ]
        live(geometry, [quiet, { ...quiet, actions }])
      }
    }
  })
})

const op = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 6, max: 34 }) }, fc.constant('flush' as const))
const geometry = fc
  .record({
    mode: fc.constantFrom<Mode>('discard', 'overwrite'),
    subbufCount: fc.integer({ min: 1, max: 4 }),
    subbufSize: fc.constantFrom(16, 24, 32, 64),
    headerBytes: fc.integer({ min: 0, max: 8 }),
  })
  .filter(({ mode, subbufCount }) => mode === 'discard' || subbufCount > 1)
const at = fc.integer({ min: 0, max: 90 })
const lives = fc.array(
  fc.record({
    ops: fc.array(op, { maxLength: 20 }),
    actions: fc.array(
      fc.record({ at, action: fc.constantFrom<Action>('drain', 'next', 'sample', 'sample', 'aged', 'aged') }),
      { maxLength: 10 },
    ),
    deathAt: fc.oneof(fc.constant(NEVER), fc.integer({ min: 0, max: 8 }), at),
  }),
  { minLength: 1, maxLength: 4 },
)

test(`any history of owners that die and a reader that steps in adds up (seed ${SEED})`, () => {
  fc.assert(
    fc.property(geometry, lives, (shape, owners) => void live(shape, owners)),
    { seed: SEED, numRuns: 4000 },
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

test(`whatever the owner does within a copy, only whole records are delivered (seed ${SEED})`, () => {
  let lapped = 0
  fc.assert(
    fc.property(geometry, reading, bursts, (shape, actions, writes) => {
      const channel = Channel.create({ ...shape, possibleCpus: 1 })
      const buffer = channel.buffer(0)
      const writer = new Writer(buffer)
      const ledger = new Ledger()
      let isOver = false
      const before = (step: number): void => {
        for (const burst of writes) {
          if (isOver || burst.at !== step) continue
          for (const one of burst.ops) {
            if (one === 'flush') writer.flush()
            else ledger.write(writer, one)
          }
        }
      }
      interruptIn(buffer, 'reads', { before }, (memory) => {
        const reader = new Reader(memory)
        for (const action of actions) act(action, reader, ledger)
        isOver = true
        ledger.drainDead(reader)
        ledger.settle(reader, buffer)
        lapped += reader.overwritten
      })
      expect(ledger.cut).toEqual([])
      // The reader may never move the owner's word that it checks by a read-modify-write.
      expect(Number(buffer.counters[BUFFER.started >> 3])).toBeGreaterThan(0)
    }),
    { seed: SEED, numRuns: 4000 },
  )
  expect(lapped).toBeGreaterThan(0)
})
