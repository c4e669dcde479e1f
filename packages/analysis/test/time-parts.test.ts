import { describe, expect, test } from 'vitest'
import { timeParts } from '../src/time-parts.ts'

const partsOf = (ns: number, onCpu: number, waitingForCpu: number, collections: number): number[] => {
  const parts = timeParts(ns, { onCpu, waitingForCpu }, collections)
  return [parts.onCpu, parts.waitingForCpu, parts.gc, parts.blocked]
}

describe('the parts of a time', () => {
  test('a collection that never waited is told as it was', () => {
    expect(partsOf(100, 80, 0, 30)).toEqual([50, 0, 30, 20])
  })

  test('a collection waited for a CPU as much as the thread did', () => {
    expect(partsOf(100, 25, 75, 40)).toEqual([15, 75, 10, 0])
    expect(partsOf(105, 5, 100, 105)).toEqual([0, 100, 5, 0])
  })

  test('a collection that waited for other threads is all that the thread did', () => {
    expect(partsOf(100, 10, 0, 60)).toEqual([0, 0, 60, 40])
  })

  test('one without an account of the kernel is known all the same', () => {
    expect(partsOf(100, 0, 0, 30)).toEqual([0, 0, 30, 70])
  })

  test('they are all of the time, and none is negative', () => {
    const values = [0, 1, 30, 100, 130]
    for (const onCpu of values) {
      for (const waiting of values) {
        for (const collections of values) {
          const parts = partsOf(100, onCpu, waiting, collections)
          expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(100)
          expect(Math.min(...parts)).toBeGreaterThanOrEqual(0)
        }
      }
    }
  })
})
