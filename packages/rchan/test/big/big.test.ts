import { expect, test } from 'vitest'
import { compare } from './big.mjs'

// By hand, with a gigabyte and all formats: `npm run big`.
test('reading and converting takes no more memory for a trace of 30 MB than for one of 3 MB', () => {
  const told: string[] = []
  const wrong = compare(3, 30, ['items', 'records', 'summary', 'files'], (line) => {
    told.push(line)
  })
  expect(wrong, told.join('\n')).toEqual([])
}, 240_000)
