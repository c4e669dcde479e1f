import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { pack, unpack } from '../dist/columns.js'

const numbers = fc.oneof(
  fc.integer(),
  fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
  fc.constantFrom(0, -1, 127, 128, -64, -65, 2 ** 31, 2 ** 32, 2 ** 40, -(2 ** 40)),
)

test('whole numbers, fractions and texts come back as they were', () => {
  const column = fc.oneof(fc.array(numbers), fc.array(fc.double({ noNaN: true })))
  fc.assert(
    fc.property(fc.array(column), fc.string(), (columns, text) => {
      const data = { text, columns: columns.map((each) => Float64Array.from(each)) }
      expect(unpack(pack(data))).toEqual(data)
    }),
    { seed: 4, numRuns: 500 },
  )
})

test('times of a lane take little more than their differences', () => {
  const times = Float64Array.from({ length: 10_000 }, (_, index) => 1e12 + index * 1_000_000)
  // 3 bytes of 7 bits for a millisecond and its sign.
  expect(pack({ times }).length).toBeLessThan(10_000 * 3 + 100)
})
