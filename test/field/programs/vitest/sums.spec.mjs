// `run.mjs` copies it: each copy is a file of tests for vitest.
import { isMainThread, threadId } from 'node:worker_threads'
import { expect, test, vi } from 'vitest'

test('sums', () => {
  const end = performance.now() + 5
  let sum = 0
  while (performance.now() < end) sum += 1
  expect(sum).toBeGreaterThan(0)
})

test('fake timers', () => {
  vi.useFakeTimers()
  const ring = vi.fn()
  setTimeout(ring, 1000)
  vi.advanceTimersByTime(1000)
  expect(ring).toHaveBeenCalledTimes(1)
  vi.useRealTimers()
})

test('is where it should be', () => {
  expect(process.env.FIELD).toBe('yes')
  expect(isMainThread).toBe(process.env.FIELD_POOL === 'forks')
  expect(threadId === 0).toBe(isMainThread)
})
