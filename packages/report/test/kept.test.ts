import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CpuAccount } from '../dist/cpu-account.js'
import { Density } from '../dist/density.js'
import { KeptEvents } from '../dist/kept-events.js'
import { KeptSlices, type Slice } from '../dist/kept-slices.js'
import { lanesOf, MOST_LANES } from '../dist/lanes.js'

function slice(start: number, duration: number, { thread = 0, isAsync = false } = {}): Slice {
  return { thread, isAsync, name: 0, start, duration, outcome: 0, text: '', task: -1 }
}

describe('slices', () => {
  test('the longest are kept, the others are counted, whatever their order', () => {
    const durations = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(durations, (all) => {
        const kept = new KeptSlices(20)
        for (const [index, duration] of all.entries()) kept.add(slice(index * 100, duration))
        const shown = kept.slices.map(({ duration }) => duration)
        expect(shown.length).toBeLessThanOrEqual(20)
        expect(shown.length + kept.leftOut).toBe(all.length)
        const least = kept.shortest
        expect(shown).toEqual(all.filter((duration) => duration >= least))
        const ns = kept.sums.get(0)?.ns ?? 0
        expect(ns).toBe(all.filter((duration) => duration < least).reduce((sum, each) => sum + each, 0))
      }),
      { seed: 5, numRuns: 500 },
    )
  })

  test('equal ones go together', () => {
    const kept = new KeptSlices(4)
    for (let index = 0; index < 10; index += 1) kept.add(slice(index, 7))
    expect(kept.slices).toEqual([])
    expect(kept.leftOut).toBe(10)
  })

  test('of long texts fewer are kept; by half when it has to shrink, down to one', () => {
    const kept = new KeptSlices(1000)
    for (let index = 0; index < 1000; index += 1)
      kept.add({ ...slice(index * 100, index), text: 'x'.repeat(640) })
    const length = kept.slices.reduce((sum, { text }) => sum + text.length, 0)
    expect(length).toBeLessThanOrEqual(1000 * 64)
    expect(kept.slices.length).toBeGreaterThan(40)
    let before = kept.slices.length
    while (before > 1) {
      kept.shrink()
      expect(kept.slices.length).toBeLessThanOrEqual(before >> 1)
      expect(kept.slices.length + kept.leftOut).toBe(1000)
      before = kept.slices.length
    }
  })

  test('nonsense is refused', () => {
    expect(() => new KeptSlices(0)).toThrow('most=0: has to be a whole number, at least 1')
  })
})

describe('lanes', () => {
  const made = fc.array(
    fc.record({
      start: fc.integer({ min: -100, max: 1000 }),
      duration: fc.integer({ min: 0, max: 300 }),
      thread: fc.integer({ min: 0, max: 2 }),
      isAsync: fc.boolean(),
    }),
    { maxLength: 80 },
  )

  test('in a lane nothing overlaps, and each slice has one', () => {
    fc.assert(
      fc.property(made, (all) => {
        const slices = all.map(({ start, duration, ...where }) => slice(start, duration, where))
        // The third thread is not shown.
        const { lanes, tooDeep } = lanesOf(slices, (thread) => (thread === 2 ? -1 : 1 - thread))
        const shown = lanes.flatMap((lane) => lane.slices)
        expect(shown.length + tooDeep).toBe(slices.filter(({ thread }) => thread < 2).length)
        for (const lane of lanes) {
          for (const [index, each] of lane.slices.entries()) {
            expect([1 - each.thread, each.isAsync]).toEqual([lane.thread, lane.isAsync])
            const next = lane.slices[index + 1]
            if (next !== undefined) expect(next.start).toBeGreaterThanOrEqual(each.start + each.duration)
          }
        }
        const order = lanes.map(({ thread, isAsync }) => thread * 2 + Number(isAsync))
        expect(order).toEqual([...order].sort((a, b) => a - b))
      }),
      { seed: 6, numRuns: 500 },
    )
  })

  test('what is in something else stands below it; what is in too many is counted', () => {
    const nested = Array.from({ length: MOST_LANES + 3 }, (_, depth) => slice(depth, 1000 - depth * 2))
    const { lanes, tooDeep } = lanesOf(nested, () => 0)
    expect(lanes.map(({ slices }) => slices.map(({ start }) => start))).toEqual(
      nested.slice(0, MOST_LANES).map(({ start }) => [start]),
    )
    expect(tooDeep).toBe(3)
  })
})

test('a density has the sums of any time, in parts of any number', () => {
  const spans = fc.array(
    fc.record({ start: fc.integer({ min: 0, max: 5e9 }), duration: fc.integer({ min: 1, max: 1000 }) }),
    { minLength: 1, maxLength: 50 },
  )
  fc.assert(
    fc.property(spans, (all) => {
      const density = new Density()
      for (const { start, duration } of all) density.add(start, duration)
      const to = 6e9
      const parts = density.within(0, to, 500)
      // Each part of the time that has one shows it, if only a little.
      for (const { start } of all) {
        const at = Math.floor((start / to) * 500)
        expect(Math.max(...parts.subarray(Math.max(0, at - 1), at + 2))).toBeGreaterThan(0)
      }
      const touched = parts.filter((part) => part > 0).length
      expect(touched).toBeLessThanOrEqual(all.length * 3)
    }),
    { seed: 7, numRuns: 200 },
  )
})

test('of too many events every second is kept, and so on', () => {
  const events = new KeptEvents(10)
  for (let time = 0; time < 100; time += 1) events.add(() => ({ thread: 0, name: 0, time, text: '' }))
  expect(events.every).toBe(16)
  expect(events.kept.map(({ time }) => time)).toEqual([0, 16, 32, 48, 64, 80, 96])
})

describe('time on CPUs', () => {
  const MS = 1e6

  test('is the part between two samples; of a longer pause the beginning was idle', () => {
    const account = new CpuAccount()
    account.add(0, 0, 0)
    account.add(20 * MS, 10 * MS, 5 * MS)
    account.add(520 * MS, 20 * MS, 5 * MS)
    const { times, onCpu, waiting } = account.band()
    expect([...times]).toEqual([0, 20 * MS, 445 * MS, 520 * MS])
    expect([...onCpu]).toEqual([500, 0, 133, 0])
    expect([...waiting]).toEqual([250, 0, 0, 0])
  })

  test('has half as many samples when it has to shrink, and the same sums', () => {
    const account = new CpuAccount()
    for (let index = 0; index <= 100; index += 1) account.add(index * 20 * MS, index * 5 * MS, index * MS)
    account.shrink()
    const { times, onCpu, waiting } = account.band()
    expect(times.length).toBe(51)
    expect([times[0], times[50]]).toEqual([0, 2000 * MS])
    expect(new Set([...onCpu.subarray(0, -1), ...waiting.subarray(0, -1)])).toEqual(new Set([250, 50]))
    while (account.canShrink) account.shrink()
    const { times: few, onCpu: fewOnCpu } = account.band()
    expect([few.length, few[0], few[few.length - 1]]).toEqual([14, 0, 2000 * MS])
    expect(new Set(fewOnCpu.subarray(0, -1))).toEqual(new Set([250]))
  })

  test('stays exact when samples are dropped', () => {
    const account = new CpuAccount()
    const count = 50_000
    for (let index = 0; index <= count; index += 1) account.add(index * 20 * MS, index * 5 * MS, index * MS)
    const { times, onCpu, waiting } = account.band()
    expect(times.length).toBeLessThan(5000)
    expect(times[times.length - 1]).toBe(count * 20 * MS)
    expect(new Set(onCpu.subarray(0, -1))).toEqual(new Set([250]))
    expect(new Set(waiting.subarray(0, -1))).toEqual(new Set([50]))
  })
})
