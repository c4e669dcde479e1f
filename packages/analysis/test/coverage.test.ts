import { Coverage } from '@rchan/analysis'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

test('is the length of the union of intervals, in whatever order they come', () => {
  const intervals = fc.array(fc.tuple(fc.nat(60), fc.nat(20)), { maxLength: 40 })
  fc.assert(
    fc.property(intervals, (list) => {
      const coverage = new Coverage()
      const covered = new Set<number>()
      for (const [start, length] of list) {
        coverage.add(start, start + length)
        for (let at = start; at < start + length; at += 1) covered.add(at)
      }
      expect(coverage.length).toBe(covered.size)
    }),
    { seed: 10, numRuns: 2000 },
  )
})

test('stays exact with a million of intervals, and with one that contains them all', () => {
  const coverage = new Coverage()
  for (let n = 0; n < 1_000_000; n += 1) coverage.add(n * 10, n * 10 + 3)
  expect(coverage.length).toBe(3_000_000)
  expect(coverage.intervals).toBeLessThanOrEqual(4096)
  coverage.add(-5, 10_000_005)
  expect(coverage.length).toBe(10_000_010)
})

test('a late one that begins among joined intervals counts what it is likely to add', () => {
  const coverage = new Coverage()
  for (let n = 0; n < 100_000; n += 1) coverage.add(n * 10, n * 10 + 5)
  coverage.add(333_333, 1_000_000)
  const exact = 333_333 / 2 + 666_667
  expect(Math.abs(coverage.length - exact)).toBeLessThan(exact * 0.01)
})
