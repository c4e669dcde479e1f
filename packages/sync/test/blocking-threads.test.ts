/**
 * The blocking primitives on threads. Some threads are terminated while they hold or wait.
 *
 * Forbidden: a living thread that does not get through; an item lost or taken twice; a barrier that
 * opens before all threads have arrived.
 */
import { Barrier, Condition, Latch, Mutex } from '@rchan/sync'
import { afterEach, expect, test } from 'vitest'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { DEADLINE_MS, sharedWords } from './threads.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
/** The id of this thread. */
const MAIN = 100
const ACQUIRED = 1
const RECOVERED = 2
/** Words of `note`; see blocking-worker.mjs. */
const ITEMS = 0
const BAD = 1
const STOP = 2

type Role = 'hold' | 'pass' | 'consume' | 'produce' | 'meet' | 'wait'

interface Thread {
  readonly id: number
  readonly mine: Int32Array<SharedArrayBuffer>
  readonly exit: Promise<unknown>
  end(): Promise<unknown>
}

class Blockers {
  readonly mutex = Mutex.init()
  readonly condition = Condition.init()
  readonly latch = Latch.init(2)
  readonly note = sharedWords(4)
  readonly deaths = sharedWords(256)
  readonly workers: Worker[] = []
  barrier = Barrier.init(3)

  start(role: Role, count = 0, all: readonly Int32Array[] = [], mine = sharedWords(3)): Thread {
    const id = this.workers.length + 1
    const { mutex, condition, barrier, latch, note, deaths } = this
    const worker = new Worker(new URL('blocking-worker.mjs', import.meta.url), {
      workerData: { role, mutex, condition, barrier, latch, note, all, mine, deaths, threadId: id, count },
    })
    this.workers.push(worker)
    const exit = once(worker, 'exit').then(() => Atomics.store(deaths, id, 1))
    const end = async (): Promise<unknown> => {
      await worker.terminate()
      return exit
    }
    return { id, mine, exit, end }
  }
}

let blockers = new Blockers()
afterEach(async () => {
  await Promise.all(blockers.workers.map((worker) => worker.terminate()))
  blockers = new Blockers()
})

async function until(what: () => boolean): Promise<void> {
  const giveUpAtMs = performance.now() + DEADLINE_MS
  while (!what()) {
    if (performance.now() > giveUpAtMs) throw new Error(`not within ${DEADLINE_MS} ms: ${String(what)}`)
    await setTimeout(1)
  }
}

const sleeping = (mutex: Int32Array): boolean => Atomics.load(mutex, 0) < 0

test('a holder that is terminated repairing leaves it to the next, and that one to the one after', async () => {
  const { mutex } = blockers
  const first = blockers.start('hold')
  await until(() => first.mine[0] === ACQUIRED)
  const second = blockers.start('hold')
  await until(() => sleeping(mutex))
  await first.end()
  await until(() => second.mine[0] === RECOVERED)
  const third = blockers.start('hold')
  const fourth = blockers.start('hold')
  await until(() => third.mine[1] === 1 && fourth.mine[1] === 1)
  await second.end()
  await until(() => third.mine[0] + fourth.mine[0] === RECOVERED)
  await (third.mine[0] === 0 ? fourth : third).end()
  await until(() => third.mine[0] + fourth.mine[0] === 2 * RECOVERED)
})

test('waiters that are terminated take no wake-up of the others with them', async () => {
  const { mutex } = blockers
  for (let round = 0; round < 5; round += 1) {
    expect(Mutex.lock(mutex, MAIN)).toBe('acquired')
    const threads = [1, 2, 3].map(() => blockers.start('pass'))
    await until(() => sleeping(mutex) && threads.every(({ mine }) => mine[1] === 1))
    // The first was there first: it dies at about the time that it is woken.
    const ended = threads[0].end()
    Mutex.unlock(mutex, MAIN)
    await ended
    await Promise.all(threads.map(({ exit }) => exit))
    expect(threads.slice(1).map(({ mine }) => mine[0] > 0)).toEqual([true, true])
    // The first may have died holding it.
    if (Mutex.lock(mutex, MAIN, { isDead: (id) => id === threads[0].id }) === 'recovered') {
      Mutex.consistent(mutex, MAIN)
    }
    Mutex.unlock(mutex, MAIN)
  }
})

test(`producers and consumers lose no item, though consumers are terminated (seed ${SEED})`, async () => {
  const { note, mutex, condition } = blockers
  const count = 20_000
  const consumers = Array.from({ length: 4 }, () => blockers.start('consume'))
  await until(() => consumers.every(({ mine }) => mine[0] === 0) && Atomics.load(mutex, 0) === 0)
  const producers = [1, 2].map(() => blockers.start('produce', count))
  await until(() => consumers.some(({ mine }) => mine[0] > 0))
  let random = SEED
  for (const consumer of consumers.slice(0, 2)) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    await setTimeout((random / 2 ** 32) * 5)
    await consumer.end()
  }
  await Promise.all(producers.map(({ exit }) => exit))
  await until(() => Atomics.load(note, ITEMS) === 0)
  Atomics.store(note, STOP, 1)
  Condition.broadcast(condition)
  await Promise.all(consumers.map(({ exit }) => exit))
  const taken = consumers.reduce((sum, { mine }) => sum + mine[0], 0)
  expect(taken + note[ITEMS]).toBe(2 * count)
})

test('three threads meet over and over, and never before all have come', async () => {
  const count = 5000
  const all = [1, 2, 3].map(() => sharedWords(3))
  const threads = all.map((mine) => blockers.start('meet', count, all, mine))
  await Promise.all(threads.map(({ exit }) => exit))
  expect(blockers.note[BAD]).toBe(0)
  expect(blockers.barrier[1]).toBe(count)
  expect(all.map((mine) => [mine[0], mine[1]])).toEqual(all.map(() => [count, 1]))
})

test(`when one of three is terminated the others are told, and the barrier serves the next three (seed ${SEED})`, async () => {
  let random = SEED
  for (let round = 0; round < 8; round += 1) {
    const turns = blockers.barrier[1]
    const all = [1, 2, 3].map(() => sharedWords(3))
    const threads = all.map((mine) => blockers.start('meet', 1e9, all, mine))
    await until(() => all.every((mine) => mine[0] > 1))
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    await setTimeout((random / 2 ** 32) * 3)
    const [victim] = threads.splice(random % 3, 1)
    await victim.end()
    await Promise.all(threads.map(({ exit }) => exit))
    expect(threads.map(({ mine }) => mine[1])).toEqual([2, 2])
    expect(blockers.note[BAD]).toBe(0)
    expect(blockers.barrier[1]).toBeGreaterThan(turns)
  }
})

test('a latch lets all go', async () => {
  const threads = [1, 2].map(() => blockers.start('wait'))
  Latch.countDown(blockers.latch)
  await setTimeout(20)
  expect(threads.map(({ mine }) => mine[0])).toEqual([0, 0])
  Latch.countDown(blockers.latch)
  await Promise.all(threads.map(({ exit }) => exit))
  expect(threads.map(({ mine }) => mine[0])).toEqual([1, 1])
})
