/**
 * The mutex on threads. Some threads are terminated.
 *
 * Forbidden: two living threads in the section; a counter that is not exact; damage that is not
 * reported; a thread that does not get through.
 */
import { Mutex } from '@rchan/sync'
import { afterEach, expect, test } from 'vitest'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { DEADLINE_MS, sharedWords } from './threads.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
const GRACE_MS = 2
/** Longer than a test: one wake-up lost, and it fails. */
const FOR_EVER_MS = 1e6
/** Words of `note`; see mutex-worker.mjs. */
const TWO_INSIDE = 3
const NOT_TOLD = 4
const STOP = 5

/** Numbers from 0 to 1, the same ones for a seed. */
function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

let worker: Worker[] = []
afterEach(async () => {
  await Promise.all(worker.map((one) => one.terminate()))
  worker = []
})

class Lockers {
  readonly mutex = Mutex.init()
  readonly note = sharedWords(8)
  /** 1 for each thread that is dead, by id. */
  readonly deaths = sharedWords(256)
  #threads = 0

  start(
    count: number,
    slowness = 0,
    graceMs = GRACE_MS,
  ): { id: number; thread: Worker; mine: Int32Array; exit: Promise<unknown> } {
    this.#threads += 1
    const threadId = this.#threads
    const mine = sharedWords(2)
    const { mutex, note, deaths } = this
    const thread = new Worker(new URL('mutex-worker.mjs', import.meta.url), {
      workerData: { mutex, note, mine, deaths, threadId, count, slowness, graceMs },
    })
    worker.push(thread)
    const exit = once(thread, 'exit').then(() => Atomics.store(deaths, threadId, 1))
    return { id: threadId, thread, mine, exit }
  }

  /** Until the thread has been in the section. */
  async begun(mine: Int32Array): Promise<void> {
    const giveUpAtMs = performance.now() + DEADLINE_MS
    while (Atomics.load(mine, 0) === 0) {
      if (performance.now() > giveUpAtMs) throw new Error('a thread does not get in')
      await setTimeout(1)
    }
  }

  forbidden(): object {
    return { twoInside: this.note[TWO_INSIDE], notTold: this.note[NOT_TOLD] }
  }
}

test('a counter that four threads add to is exact, and no wake-up is lost', async () => {
  const lockers = new Lockers()
  const count = 20_000
  const threads = [1, 2, 3, 4].map(() => lockers.start(count, 0, FOR_EVER_MS))
  await Promise.all(threads.map(({ exit }) => exit))
  expect(lockers.note[1]).toBe(4 * count)
  expect(lockers.note[2]).toBe(4 * count)
  expect(lockers.forbidden()).toEqual({ twoInside: 0, notTold: 0 })
  expect(threads.map(({ mine }) => [...mine])).toEqual(threads.map(() => [count, 0]))
  expect(Mutex.tryLock(lockers.mutex, 200)).toBe('acquired')
})

// Each of three threads that is terminated holds the mutex, waits for it, or is between the two;
// with slow sections and repairs, many die in them.
test.each([
  ['', 30, 0],
  [', in slow sections', 30, 20_000],
])(
  `threads terminated at any moment hold nobody up; what they left half done is told%s (seed ${SEED})`,
  async (_, rounds, slowness) => {
    const lockers = new Lockers()
    const random = makeRandom(SEED + slowness)
    const threads = [lockers.start(Infinity, slowness), lockers.start(Infinity, slowness)]
    let recovered = 0
    for (let round = 0; round < rounds; round += 1) {
      threads.push(lockers.start(Infinity, slowness))
      await lockers.begun(threads[2].mine)
      await setTimeout(random() * 4)
      const [victim] = threads.splice(Math.floor(random() * 3), 1)
      await victim.thread.terminate()
      await victim.exit
      recovered += victim.mine[1]
      // All others go on.
      for (const { mine } of threads) {
        const before = Atomics.load(mine, 0)
        const giveUpAtMs = performance.now() + DEADLINE_MS
        while (Atomics.load(mine, 0) === before) {
          if (performance.now() > giveUpAtMs) throw new Error(`round ${round}: a thread does not get in`)
          await setTimeout(1)
        }
      }
      expect(lockers.forbidden(), `round ${round}`).toEqual({ twoInside: 0, notTold: 0 })
    }
    Atomics.store(lockers.note, STOP, 1)
    await Promise.all(threads.map(({ exit }) => exit))
    for (const { mine } of threads) recovered += mine[1]
    expect(lockers.forbidden()).toEqual({ twoInside: 0, notTold: 0 })
    expect(lockers.note[1]).toBe(lockers.note[2])
    if (slowness > 0) expect(recovered).toBeGreaterThan(0)
  },
)
