import { expect, test } from 'vitest'
import { ticksOf, timeText } from '../page/ticks.ts'

const SECOND = 1e9
const HOUR = 3600 * SECOND

function texts(from: number, to: number, count: number): string[] {
  return ticksOf(from, to, count).map(({ text }) => text)
}

test('an axis has decimal steps, those of a clock where it is long, and none below 1 ns', () => {
  expect(texts(0, 1, 10)).toEqual(['0 ns', '1 ns'])
  expect(texts(0, 400, 4)).toEqual(['0.0 µs', '0.1 µs', '0.2 µs', '0.3 µs', '0.4 µs'])
  expect(texts(-0.1 * SECOND, SECOND, 4)).toEqual(['0.0 s', '0.2 s', '0.4 s', '0.6 s', '0.8 s', '1.0 s'])
  expect(texts(0, 100 * SECOND, 5)).toEqual(['0 s', '20 s', '40 s', '60 s', '80 s', '100 s'])
  expect(texts(0, HOUR, 4)).toEqual(['0', '15 min', '30 min', '45 min', '1 h'])
  expect(texts(-HOUR, 5 * HOUR, 3)).toEqual(['0', '2 h', '4 h'])
  expect(texts(20.5 * HOUR, 52 * HOUR, 4)).toEqual(['1 d', '1 d 12 h', '2 d'])
  expect(texts(0, 2400 * HOUR, 5)).toEqual(['0', '20 d', '40 d', '60 d', '80 d', '100 d'])
})

test('all ticks of an axis have as many decimals', () => {
  expect(texts(0.9 * SECOND, 1.3 * SECOND, 4)).toEqual(['0.9 s', '1.0 s', '1.1 s', '1.2 s', '1.3 s'])
  expect(texts(20e6, 80e6, 3)).toEqual(['20 ms', '40 ms', '60 ms', '80 ms'])
})

test('the time under the pointer has the unit of the axis, and no digit that a pixel cannot tell', () => {
  expect(timeText(1.2346 * SECOND, 1e5)).toBe('1,234.6 ms')
  expect(timeText(1.2346 * SECOND, 1e7)).toBe('1.23 s')
  expect(timeText(12_345, 1)).toBe('12.345 µs')
  expect(timeText(12, 0.05)).toBe('12 ns')
  expect(timeText(-0.0001 * SECOND, 1e7)).toBe('0.00 s')
  expect(timeText(2 * HOUR, 60 * SECOND)).toBe('2 h')
})

test('there are not many more than were asked for, and each lies in the time', () => {
  let seed = 1
  for (let index = 0; index < 2000; index += 1) {
    seed = (seed * 16_807) % 2_147_483_647
    const from = (seed % 1000) * 10 ** (seed % 13)
    const to = from + (1 + (seed % 77)) * 10 ** (seed % 16)
    const count = 1 + (seed % 12)
    const all = ticksOf(from, to, count)
    expect(all.length).toBeLessThanOrEqual(count * 2 + 2)
    for (const { at } of all) expect(at >= from && at <= to).toBe(true)
    expect(new Set(all.map(({ text }) => text)).size).toBe(all.length)
  }
})
