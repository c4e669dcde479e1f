/** Quantities as text. */
import { durationText, quantityText } from '@rchan/analysis'
import { expect, test } from 'vitest'

test.each([
  [0, '0 ns'],
  [842, '842 ns'],
  [999.7, '1.00 µs'],
  [1_250_000, '1.25 ms'],
  [999_600_000, '1.00 s'],
  [59_900_000_000, '59.9 s'],
  [59_960_000_000, '1 min'],
  [60_400_000_000, '1 min'],
  [90_000_000_000, '1 min 30 s'],
  [119_700_000_000, '2 min'],
  [3_599_600_000_000, '1 h'],
  [3_600_000_000_000, '1 h'],
  [5_410_000_000_000, '1 h 30 min'],
  [86_399_000_000_000, '1 d'],
  [259_200_000_000_000, '3 d'],
  [277_200_000_000_000, '3 d 5 h'],
  [86_400_000_000_000 * 1234.5, '1,234 d 12 h'],
  [-90_000_000_000, '-1 min 30 s'],
  [-1500, '-1.50 µs'],
])('%d ns is %s', (ns, text) => {
  expect(durationText(ns)).toBe(text)
})

test('a field with a unit of time is a duration, too', () => {
  expect(quantityText(259_200, 's')).toBe('3 d')
  expect(quantityText(1500, 'ms')).toBe('1.50 s')
  expect(quantityText(3000, 'bytes')).toBe('2.93 KiB')
})
