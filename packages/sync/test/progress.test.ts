/** A word that only grows, and threads that wait for it. */
import { raise, waitAtLeast } from '@rchan/sync'
import { afterEach, expect, test } from 'vitest'
import { DEADLINE_MS, sharedWords, Threads } from './threads.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

let threads = new Threads()
afterEach(async () => {
  await threads.stop()
  threads = new Threads()
})

test('a value that is there, or was passed, is not waited for', () => {
  const words = sharedWords(2)
  raise(words, 1, 7)
  expect(waitAtLeast(words, 1, 7, 0)).toBe(true)
  expect(waitAtLeast(words, 1, 3, 0)).toBe(true)
  expect(words[0]).toBe(0)
})

test('a wait ends at its deadline', () => {
  const words = sharedWords(1)
  expect(waitAtLeast(words, 0, 1, 0)).toBe(false)
  expect(waitAtLeast(words, 0, 1, -5)).toBe(false)
  expect(waitAtLeast(words, 0, 1, 2)).toBe(false)
})

test('a deadline that is not a number is over at once', () => {
  const words = sharedWords(1)
  expect(waitAtLeast(words, 0, 1, NaN)).toBe(false)
  raise(words, 0, 1)
  expect(waitAtLeast(words, 0, 1, NaN)).toBe(true)
})

test('a word is never lowered', () => {
  const words = sharedWords(1)
  raise(words, 0, 5)
  raise(words, 0, 3)
  raise(words, 0, 5)
  expect(words[0]).toBe(5)
  const negative = sharedWords(1)
  negative[0] = -3
  raise(negative, 0, -1)
  expect(negative[0]).toBe(-1)
})

test('a word that jumps past the value satisfies all who wait, on other threads', async () => {
  const waiters = [1, 5, 9].map((value) => threads.start('wait', { value, timeoutMs: DEADLINE_MS }))
  await threads.go()
  await new Promise((resolve) => setTimeout(resolve, 5))
  raise(threads.words, 0, 4)
  raise(threads.words, 0, 100)
  expect(await Promise.all(waiters)).toEqual([[true], [true], [true]])
})

test('a waiter that is woken below its value goes on waiting, to its deadline', async () => {
  const told = threads.start('wait', { value: 3, timeoutMs: 60 })
  await threads.go()
  raise(threads.words, 0, 1)
  raise(threads.words, 0, 2)
  expect(await told).toEqual([false])
})

// Forbidden: a value below one that was raised before it was read; a final value that is not the
// highest.
test(`two threads that raise at once leave the higher value, and it never falls (seed ${SEED})`, async () => {
  const values = (step: number): number[] => Array.from({ length: 20_000 }, (_, i) => i * 7 + step)
  const raisers = [
    threads.start('raise', { values: values(1) }),
    threads.start('raise', { values: values(4) }),
  ]
  await threads.go()
  let seen = 0
  const giveUpAtMs = performance.now() + DEADLINE_MS
  const last = 19_999 * 7 + 4
  while (seen < last && performance.now() < giveUpAtMs) {
    const now = Atomics.load(threads.words, 0)
    expect(now >= seen).toBe(true)
    seen = now
    waitAtLeast(threads.words, 0, Math.min(last, seen + 1000), 100)
  }
  await Promise.all(raisers)
  expect(threads.words[0]).toBe(last)
})
