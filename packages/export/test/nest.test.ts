import { expect, test } from 'vitest'
import { FreeLanes } from '../dist/free-lanes.js'
import { Lanes, Nest } from '../dist/nest.js'

test('what overlaps does not fit; what contains or is apart does', () => {
  const nest = new Nest('as-written')
  expect(nest.fits(10, 20)).toBe(true)
  expect(nest.fits(15, 25)).toBe(false)
  expect(nest.fits(5, 15)).toBe(false)
  expect(nest.fits(12, 15)).toBe(false)
  expect(nest.fits(20, 30)).toBe(true)
  expect(nest.fits(5, 40)).toBe(true)
  expect(nest.fits(0, 4)).toBe(true)
})

test('ties: written ones must be in the order in which they nest', () => {
  for (const [ties, fits] of [
    ['as-written', false],
    ['nested', true],
  ] as const) {
    const nest = new Nest(ties)
    nest.fits(10, 20)
    expect(nest.fits(10, 30)).toBe(fits)
    const late = new Nest(ties)
    late.fits(10, 20)
    expect(late.fits(5, 10)).toBe(fits)
  }
})

test('a long span fits behind another one, also when far more short ones were in it than are known', () => {
  const nest = new Nest('as-written', 64)
  for (let epoch = 0; epoch < 5; epoch += 1) {
    const start = epoch * 1_000_000
    for (let n = 0; n < 10_000; n += 1) {
      expect(nest.fits(start + n * 100 + 10, start + n * 100 + 30)).toBe(true)
      if (n % 3 === 0) expect(nest.fits(start + n * 100 + 5, start + n * 100 + 40)).toBe(true)
    }
    expect(nest.fits(start + 1, start + 999_999)).toBe(true)
  }
})

test('a span that begins among joined ones does not fit: it might overlap', () => {
  const nest = new Nest('as-written', 64)
  for (let n = 0; n < 1000; n += 1) nest.fits(n * 10, n * 10 + 5)
  expect(nest.fits(17, 20_000)).toBe(false)
  expect(nest.fits(-1, 20_000)).toBe(true)
})

test('when all lanes are taken, a span gets none', () => {
  const lanes = new Lanes('nested')
  const places = Array.from({ length: 258 }, (_, n) => lanes.place(n, n + 1000))
  expect(places.slice(0, 256)).toEqual(Array.from({ length: 256 }, (_, n) => n))
  expect(places.slice(256)).toEqual([-1, -1])
})

test('a free lane is taken again, but not by what began before it was free', () => {
  const lanes = new FreeLanes()
  expect([lanes.take(1n), lanes.take(2n)]).toEqual([0, 1])
  lanes.give(0, 10n)
  expect(lanes.take(5n)).toBe(2)
  expect(lanes.take(10n)).toBe(0)
  expect(lanes.count).toBe(3)
})
