import { expect, test } from 'vitest'

test('one that fails', () => {
  expect(1 + 1).toBe(3)
})
