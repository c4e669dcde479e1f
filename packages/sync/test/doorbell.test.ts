/** The doorbell: no ring is lost, and a ring costs nothing while the sleeper is awake. */
import { Doorbell } from '@rchan/sync'
import { afterEach, expect, test } from 'vitest'
import { DEADLINE_MS, sharedWords, Threads } from './threads.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)

let threads = new Threads()
afterEach(async () => {
  await threads.stop()
  threads = new Threads()
})

test('a ring between the announcement and the sleep is not lost', () => {
  const words = sharedWords(2)
  const sleeper = new Doorbell(words)
  const ticket = sleeper.announce()
  new Doorbell(words).ring()
  expect(sleeper.sleep(ticket, DEADLINE_MS)).toBe('rung')
})

test('a ring with nobody asleep does nothing', () => {
  const words = sharedWords(2)
  const bell = new Doorbell(words)
  bell.ring()
  expect([...words]).toEqual([0, 0])
  const ticket = bell.announce()
  bell.stayAwake()
  bell.ring()
  expect([...words]).toEqual([0, 0])
  expect(bell.announce()).toBe(ticket)
})

test('a sleeper is awake again after a ring, and after its time', () => {
  const words = sharedWords(2)
  const bell = new Doorbell(words)
  expect(bell.sleep(bell.announce(), 1)).toBe('timed-out')
  expect([...words]).toEqual([0, 0])
  const ticket = bell.announce()
  bell.ring()
  bell.sleep(ticket, 1)
  expect([...words]).toEqual([1, 0])
})

test('a ring before the announcement does not end the sleep', () => {
  const bell = new Doorbell(sharedWords(2))
  const old = bell.announce()
  bell.ring()
  expect(bell.sleep(old, DEADLINE_MS)).toBe('rung')
  expect(bell.sleep(bell.announce(), 1)).toBe('timed-out')
})

test('rings are counted right past 2^31', () => {
  const words = sharedWords(2)
  words[0] = 2 ** 31 - 1
  const bell = new Doorbell(words)
  const ticket = bell.announce()
  bell.ring()
  expect(bell.sleep(ticket, DEADLINE_MS)).toBe('rung')
  expect(bell.sleep(bell.announce(), 1)).toBe('timed-out')
})

test('too few words are refused with their number', () => {
  expect(() => new Doorbell(sharedWords(1))).toThrow('words.length=1')
})

test('a ring wakes a sleeper on another thread', async () => {
  const told = threads.start('sleep', { timeoutMs: DEADLINE_MS })
  await threads.go()
  const giveUpAtMs = performance.now() + DEADLINE_MS
  // Until it says that it sleeps.
  while (Atomics.load(threads.bellWords, 1) === 0 && performance.now() < giveUpAtMs);
  Atomics.store(threads.words, 0, 1)
  new Doorbell(threads.bellWords).ring()
  const [awakenings] = (await told) as [string[]]
  expect(awakenings).not.toContain('timed-out')
})

// Forbidden: a sleep that ends by its deadline while there is work, which is a lost wake-up.
test(`of all work of three ringers nothing is slept through (seed ${SEED})`, async () => {
  const count = 30_000
  let sleeps = 0
  // On a busy machine all may be done before this thread looks for the first time: then again.
  for (let total = 3 * count, seen = 0; sleeps === 0; total += 3 * count) {
    const ringers = [0, 1, 2].map((ringer) => threads.start('ring', { count, seed: SEED + ringer }))
    await threads.go()
    const bell = new Doorbell(threads.bellWords)
    while (seen < total) {
      const ticket = bell.announce()
      const work = Atomics.load(threads.words, 0)
      if (work > seen) {
        bell.stayAwake()
        seen = work
        continue
      }
      sleeps += 1
      const awakening = bell.sleep(ticket, DEADLINE_MS)
      expect(awakening, `slept through with ${seen} of ${total} seen`).toBe('rung')
    }
    expect(seen).toBe(total)
    await Promise.all(ringers)
  }
})
