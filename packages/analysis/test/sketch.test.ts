import { QUANTILE_ERROR, Sketch } from '@rchan/analysis'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

function sketchOf(values: Iterable<number | bigint>): Sketch {
  const sketch = new Sketch()
  for (const value of values) sketch.add(value)
  return sketch
}

/** The smallest value that at least a part `q` of the values doesn't exceed. */
function exact(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]
}

test('quantiles are within the stated error, min, max and count exact', () => {
  const numbers = fc.array(
    fc.oneof(
      fc
        .double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 })
        .filter((x) => x === 0 || Math.abs(x) > 1e-300),
      fc.integer(),
      fc.maxSafeInteger(),
    ),
    { minLength: 1, maxLength: 200 },
  )
  fc.assert(
    fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
      const sketch = sketchOf(values)
      const wanted = exact(values, q)
      expect(Math.abs(sketch.quantile(q) - wanted)).toBeLessThanOrEqual(Math.abs(wanted) * QUANTILE_ERROR)
      expect(sketch.count).toBe(values.length)
      expect(sketch.min).toBe(values.reduce((a, b) => (b < a ? b : a)))
      expect(sketch.max).toBe(values.reduce((a, b) => (b > a ? b : a)))
    }),
    { seed: 10, numRuns: 2000 },
  )
})

test('whole numbers below 128 are exact', () => {
  for (let n = -127; n < 128; n += 1) {
    expect(sketchOf([n, n, 1000]).quantile(0.5)).toBe(n)
  }
})

test('bigints keep their extremes; NaN and infinities are counted apart', () => {
  const sketch = sketchOf([2n ** 64n - 1n, 0n, 5n])
  expect([sketch.min, sketch.max]).toEqual([0n, 2n ** 64n - 1n])
  const other = sketchOf([NaN, Infinity, -Infinity, 1])
  expect([other.count, other.notFinite, other.quantile(0.99)]).toEqual([1, 3, 1])
})

test('of nothing there is no quantile', () => {
  expect(new Sketch().quantile(0.5)).toBe(NaN)
})

test('each number is in the bin around it, four for each power of two', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1e12 }), { maxLength: 100 }), (values) => {
      const bins = sketchOf(values).bins()
      expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(values.length)
      for (const { from, to, count } of bins) {
        const isIn = (value: number): boolean => (to === 0 ? value === 0 : value >= from && value < to)
        expect(values.filter(isIn)).toHaveLength(count)
        expect(to === 0 || to / from <= 1.25).toBe(true)
      }
      expect(bins).toEqual([...bins].sort((a, b) => a.from - b.from))
    }),
    { seed: 11, numRuns: 500 },
  )
})
