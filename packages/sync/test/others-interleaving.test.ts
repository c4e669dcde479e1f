/**
 * Condition, semaphore, latch and barrier in every order of a few threads' steps.
 *
 * Forbidden: without a death, a state in which all threads sleep after the events that they wait
 * for; with a death, a thread that does not get through by its slices; an item or a permit taken
 * twice; a barrier that opens before all threads have arrived.
 */
import { Barrier, Condition, Latch, Mutex, Semaphore } from '@rchan/sync'
import { expect, test } from 'vitest'
import { DEADLINE, visitAll, type Model, type Self } from '../../../test/stepping/every-order.js'

const MUTEX = 0
const CONDITION = 1
const ITEMS = 2
const TAKEN = 3
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)

function lock(self: Self): void {
  if (Mutex.lock(self.words(MUTEX, 1), self.id, { isDead: self.isDead }) === 'acquired') return
  Mutex.consistent(self.words(MUTEX, 1), self.id)
}

function produces(
  signal: (condition: Int32Array<SharedArrayBuffer>) => void,
  items: number,
  times = 1,
): (self: Self) => void {
  return (self) => {
    for (let i = 0; i < times; i += 1) {
      lock(self)
      self.act((words) => void (words[ITEMS] += items))
      Mutex.unlock(self.words(MUTEX, 1), self.id)
      signal(self.words(CONDITION, 1))
    }
  }
}

function consumes(self: Self): void {
  const mutex = self.words(MUTEX, 1)
  lock(self)
  // An item is taken in one step: a death takes it whole or not at all.
  const take = (words: Int32Array): boolean => {
    if (words[ITEMS] === 0) return false
    words[ITEMS] -= 1
    words[TAKEN] += 1
    return true
  }
  while (!self.act(take)) {
    const got = Condition.wait(self.words(CONDITION, 1), mutex, self.id, { isDead: self.isDead })
    if (got === 'recovered') Mutex.consistent(mutex, self.id)
  }
  Mutex.unlock(mutex, self.id)
}

/** Consumes unless its time is over. */
function consumesUntil(self: Self): void {
  const mutex = self.words(MUTEX, 1)
  lock(self)
  Condition.timedWait(self.words(CONDITION, 1), mutex, self.id, DEADLINE, { isDead: self.isDead })
  Mutex.unlock(mutex, self.id)
}

const signal = (condition: Int32Array<SharedArrayBuffer>): void => Condition.signal(condition)
const broadcast = (condition: Int32Array<SharedArrayBuffer>): void => Condition.broadcast(condition)
const CONDITIONS: [string, Omit<Model, 'words'>][] = [
  ['a producer and a consumer', { threads: [produces(signal, 1), consumes], timeouts: 1 }],
  ['two signals, two who sleep', { threads: [produces(signal, 1, 2), consumes, consumes], asleep: [2, 3] }],
  ['one broadcast, two who sleep', { threads: [produces(broadcast, 2), consumes, consumes], asleep: [2, 3] }],
  ['one waits to a deadline', { threads: [produces(signal, 1), consumesUntil], clock: true }],
  // The producer makes one item more than the one that lives needs; the dead may have taken one.
  [
    'one who sleeps dies',
    { threads: [produces(broadcast, 2), consumes, consumes], asleep: [2, 3], deaths: 1 },
  ],
]

test.each(CONDITIONS)('no signal is lost: %s', (_, model) => {
  const mayDie = model.deaths !== undefined
  const end = (words: Int32Array, dead: readonly boolean[]): void => {
    if (!mayDie) expect(words[MUTEX]).toBe(0)
    if (!dead.includes(true) && model.clock !== true)
      expect([words[ITEMS], words[TAKEN]]).toEqual([0, model.threads.length - 1])
  }
  // A producer that died makes nothing, and consumers wait for ever: only consumers are let die.
  const { ends } = visitAll({ words: zeros(4), end, ...model, immortal: mayDie ? [1] : [] })
  expect(ends).toBeGreaterThan(0)
})

test('of permits none is lost or taken twice, by two who post and two who wait', () => {
  const posts = (self: Self): void => Semaphore.post(self.words(0, 1))
  const takes = (self: Self): void => {
    Semaphore.wait(self.words(0, 1))
    self.act((words) => void (words[1] += 1))
  }
  const end = (words: Int32Array): void => expect([...words]).toEqual([0, 2])
  const { ends } = visitAll({ words: zeros(2), threads: [posts, takes, takes, posts], end })
  expect(ends).toBeGreaterThan(0)
})

test('a permit is not lost with a thread that was woken for it and died', () => {
  const posts = (self: Self): void => Semaphore.post(self.words(0, 1))
  const takes = (self: Self): void => {
    Semaphore.wait(self.words(0, 1))
    Semaphore.post(self.words(0, 1))
  }
  visitAll({
    words: zeros(1),
    threads: [posts, posts, takes, takes],
    asleep: [3, 4],
    deaths: 1,
    immortal: [1, 2],
  })
})

test('a latch opens for all who wait, when it was counted down and not before', () => {
  const counts = (self: Self): void => {
    self.act((words) => void (words[1] += 1))
    Latch.countDown(self.words(0, 1))
  }
  const passes = (self: Self): void => {
    Latch.wait(self.words(0, 1))
    self.act((words) => {
      if (words[1] !== 2) throw new Error(`it opened after ${words[1]}`)
      return undefined
    })
  }
  const { ends } = visitAll({ words: [2, 0], threads: [counts, counts, passes], timeouts: 1 })
  expect(ends).toBeGreaterThan(0)
})

const BARRIER_WORDS = 7
const ARRIVALS = 7
/** mutex, turn, count, and two slots; then how often anybody has come. */
const TWO = [0, 0, 2, 0, 0, 0, 0, 0]

function meets(times: number): (self: Self) => void {
  return (self) => {
    for (let i = 1; i <= times; i += 1) {
      self.act((words) => void (words[ARRIVALS] += 1))
      const got = Barrier.wait(self.words(0, BARRIER_WORDS), self.id, { isDead: self.isDead })
      if (got === 'dead') return
      self.act((words) => {
        if (words[ARRIVALS] < 2 * i) throw new Error(`it opened with ${words[ARRIVALS]} in turn ${i}`)
        return undefined
      })
    }
  }
}

test('a barrier opens when both have come, and not before, turn after turn', () => {
  const end = (words: Int32Array): void => expect([words[0], words[1], words[ARRIVALS]]).toEqual([0, 2, 4])
  const { ends } = visitAll({ words: TWO, threads: [meets(2), meets(2)], asleep: [1], end })
  expect(ends).toBeGreaterThan(0)
})

test('a barrier opens in whatever order two come for the first time', () => {
  const end = (words: Int32Array): void => expect([words[0], words[1], words[ARRIVALS]]).toEqual([0, 1, 2])
  const { ends } = visitAll({ words: TWO, threads: [meets(1), meets(1)], end })
  expect(ends).toBeGreaterThan(0)
})

test('when one of two has been at the barrier and dies, the other is told, and its arrival is taken back', () => {
  // Both threads have been there: if one dies, the other knows it.
  const known = [0, 1, 2, 1, 0, 2, 0, 2]
  const again = (self: Self): void => {
    Barrier.wait(self.words(0, BARRIER_WORDS), self.id, { isDead: self.isDead })
  }
  const { ends } = visitAll({ words: known, threads: [again, again], deaths: 1 })
  expect(ends).toBeGreaterThan(0)
})
