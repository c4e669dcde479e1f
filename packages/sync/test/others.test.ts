/** Barrier, latch and semaphore on one thread: outcomes, leftovers, misuse, and their memory. */
import {
  Barrier,
  barrierWords,
  Condition,
  Latch,
  MAX_BARRIER_COUNT,
  Mutex,
  Semaphore,
  type LockOptions,
} from '@rchan/sync'
import { expect, test } from 'vitest'
import { offsetsOf, readPicture } from '../../../test/picture.js'
import { sharedWords } from './threads.js'

const OVER = 0
const dead = (...ids: number[]): LockOptions => ({ isDead: (id) => ids.includes(id), graceMs: 1 })

/** Arrives, and is gone without taking its arrival back, as a thread that dies. */
function arrivesAndDies(barrier: Int32Array<SharedArrayBuffer>, id: number, options: LockOptions = {}): void {
  const whileWaiting = (): never => {
    throw new Error('gone')
  }
  expect(() => Barrier.wait(barrier, id, { ...options, whileWaiting })).toThrow('gone')
}

test('the picture of a barrier is its memory', () => {
  const { words, elementWords } = readPicture(new URL('../src/barrier.ts', import.meta.url))
  expect(offsetsOf(words)).toEqual({ mutex: 0, turn: 4, count: 8, slots: 12 })
  expect(offsetsOf(elementWords)).toEqual({ threadId: 0, arrived: 4 })
  expect(barrierWords(2)).toBe((12 + 2 * 8) / 4)
  const barrier = Barrier.init(2)
  Barrier.timedWait(barrier, 5, OVER)
  arrivesAndDies(barrier, 6)
  expect([...barrier]).toEqual([0, 0, 2, 5, -1, 6, 0])
  expect(Barrier.timedWait(barrier, 5, OVER)).toBe('last')
  expect([...barrier]).toEqual([0, 1, 2, 5, 0, 6, 0])
})

test.each(['mutex', 'condition', 'semaphore', 'latch'])('the picture of a %s is one word', (name) => {
  const { words, elementWords } = readPicture(new URL(`../src/${name}.ts`, import.meta.url))
  expect(words.map(({ at, type }) => [at, type])).toEqual([[0, 'i32']])
  expect(elementWords).toEqual([])
})

test('a barrier of one is always open', () => {
  const barrier = Barrier.init(1)
  for (let turn = 0; turn < 3; turn += 1) expect(Barrier.wait(barrier, 1)).toBe('last')
})

test('an arrival whose time ran out is taken back', () => {
  const barrier = Barrier.init(2)
  for (const deadline of [OVER, NaN, Date.now() + 5]) {
    expect(Barrier.timedWait(barrier, 1, deadline)).toBe('timed-out')
    expect(Barrier.timedWait(barrier, 2, deadline)).toBe('timed-out')
  }
})

test('a thread that comes again counts once', () => {
  const barrier = Barrier.init(2)
  arrivesAndDies(barrier, 1)
  expect(Barrier.timedWait(barrier, 1, OVER)).toBe('timed-out')
  expect(Barrier.timedWait(barrier, 2, OVER)).toBe('timed-out')
})

test('whoever waits for a dead thread is told, each of them, until another has its place', () => {
  const barrier = Barrier.init(3)
  for (const id of [1, 2]) arrivesAndDies(barrier, id)
  expect(Barrier.wait(barrier, 3)).toBe('last')
  // 3 dies before it comes again; 1 and 2 live.
  for (const id of [1, 2, 1, 2]) expect(Barrier.wait(barrier, id, dead(3))).toBe('dead')
  arrivesAndDies(barrier, 4, dead(3))
  expect(Barrier.timedWait(barrier, 1, OVER, dead(3))).toBe('timed-out')
  for (const id of [1, 2, 1, 2]) expect(Barrier.wait(barrier, id, dead(3, 4))).toBe('dead')
  for (const id of [5, 1]) arrivesAndDies(barrier, id, dead(3, 4))
  expect(Barrier.timedWait(barrier, 2, OVER, dead(3, 4))).toBe('last')
})

test('the arrival of a dead thread does not count beside that of the thread in its place', () => {
  const barrier = Barrier.init(3)
  arrivesAndDies(barrier, 1)
  const others = dead(1)
  // 2 takes the place of 1; 3 is still to come.
  expect(Barrier.timedWait(barrier, 2, Date.now() + 5, others)).toBe('timed-out')
  arrivesAndDies(barrier, 2)
  arrivesAndDies(barrier, 3)
  expect(barrier[1]).toBe(0)
  expect(Barrier.timedWait(barrier, 4, OVER, others)).toBe('last')
})

test('more threads than its count may use it, as many at a time', () => {
  const barrier = Barrier.init(2)
  for (let id = 1; id < 20; id += 2) {
    arrivesAndDies(barrier, id)
    expect(Barrier.wait(barrier, id + 1)).toBe('last')
  }
  expect(barrier[1]).toBe(10)
})

test('one that died as the last, before it opened the barrier, is made up for by the next', () => {
  const barrier = Barrier.init(2)
  // Both have arrived, and 2 holds the mutex.
  barrier.set([2, 0, 2, 1, 0, 2, 0])
  expect(Barrier.timedWait(barrier, 1, OVER, dead(2))).toBe('dead')
  expect([...barrier]).toEqual([0, 1, 2, 1, 0, 2, 0])
})

test('turns are counted right past 2^31', () => {
  const barrier = Barrier.init(2)
  barrier[1] = 2 ** 31 - 1
  arrivesAndDies(barrier, 1)
  expect(Barrier.wait(barrier, 2)).toBe('last')
  expect(barrier[1]).toBe(-(2 ** 31))
  expect(Barrier.timedWait(barrier, 1, OVER)).toBe('timed-out')
  arrivesAndDies(barrier, 1)
  expect(Barrier.wait(barrier, 2)).toBe('last')
})

test('a latch opens after its count, and stays open', () => {
  const latch = Latch.init(2)
  expect(Latch.timedWait(latch, OVER)).toBe(false)
  Latch.countDown(latch)
  expect(Latch.timedWait(latch, Date.now() + 3)).toBe(false)
  Latch.wait(latch, { whileWaiting: () => Latch.countDown(latch), graceMs: 1 })
  Latch.countDown(latch)
  expect(Latch.timedWait(latch, NaN)).toBe(true)
  expect([...latch]).toEqual([0])
})

test('a semaphore gives as many permits as it has', () => {
  const semaphore = Semaphore.init(1)
  expect(Semaphore.tryWait(semaphore)).toBe(true)
  expect(Semaphore.tryWait(semaphore)).toBe(false)
  expect(Semaphore.timedWait(semaphore, NaN)).toBe(false)
  expect(Semaphore.timedWait(semaphore, Date.now() + 3)).toBe(false)
  Semaphore.wait(semaphore, { whileWaiting: () => Semaphore.post(semaphore) })
  expect([...semaphore]).toEqual([0])
})

test('a wait for a condition that is over holds the mutex again, and tells of a recovery', () => {
  const mutex = Mutex.init()
  const condition = Condition.init()
  Mutex.lock(mutex, 1)
  expect(Condition.timedWait(condition, mutex, 1, OVER)).toBe(false)
  expect(Condition.timedWait(condition, mutex, 1, NaN)).toBe(false)
  expect([...mutex]).toEqual([1])
  const whileWaiting = (): void => {
    if (condition[0] === 0) Mutex.lock(mutex, 2)
    Condition.signal(condition)
  }
  expect(Condition.timedWait(condition, mutex, 1, Infinity, { ...dead(2), whileWaiting })).toBe('recovered')
  Condition.broadcast(condition)
  expect(condition[0]).toBeGreaterThan(1)
})

test('counts and words out of range are refused with their values', () => {
  for (const count of [0, -1, 1.5, NaN, MAX_BARRIER_COUNT + 1]) {
    expect(() => Barrier.init(count)).toThrow(`count=${count} is not a whole number`)
  }
  for (const value of [-1, 0.5, NaN, 2 ** 31]) {
    expect(() => Latch.init(value)).toThrow(`count=${value} is not a whole number`)
    expect(() => Semaphore.init(value)).toThrow(`value=${value} is not a whole number`)
  }
  const none = sharedWords(0)
  expect(() => Barrier.init(2, sharedWords(6))).toThrow('barrier words.length=6, needs 7')
  expect(() => Barrier.wait(sharedWords(5), 1)).toThrow('barrier count=0 is not a whole number')
  expect(() => Barrier.wait(Barrier.init(2).subarray(0, 6), 1)).toThrow('barrier words.length=6, needs 7')
  expect(() => Latch.wait(none)).toThrow('latch words.length=0, needs 1')
  expect(() => Semaphore.post(none)).toThrow('semaphore words.length=0, needs 1')
  expect(() => Condition.signal(none)).toThrow('condition words.length=0, needs 1')
  expect(() => Semaphore.post(Semaphore.init(2 ** 31 - 1))).toThrow('permits=2147483647')
})
