/** The mutex on one thread: outcomes, misuse, and its memory. */
import { Condition, MAX_THREAD_ID, Mutex, MUTEX_WORDS, type LockOptions } from '@rchan/sync'
import { expect, test } from 'vitest'
import { sharedWords } from './threads.js'

type Words = Int32Array<SharedArrayBuffer>
const unlock = (mutex: Words, id: number): void => Mutex.unlock(mutex, id)
const consistent = (mutex: Words, id: number): void => Mutex.consistent(mutex, id)
const lock = (mutex: Words, id: number): unknown => Mutex.lock(mutex, id)
const tryLock = (mutex: Words, id: number): unknown => Mutex.tryLock(mutex, id)

const OVER = 0
const BROKEN = 0x4000_0000
const dead = (...ids: number[]): LockOptions => ({ isDead: (id) => ids.includes(id), graceMs: 1 })

test('zeroed memory is a free mutex, and a free mutex is zeroed memory', () => {
  const mutex = sharedWords(MUTEX_WORDS)
  expect(Mutex.lock(mutex, 7)).toBe('acquired')
  expect([...mutex]).toEqual([7])
  Mutex.unlock(mutex, 7)
  expect([...mutex]).toEqual([0])
})

test('it can be embedded in memory of the caller, and touches only its words', () => {
  const memory = new SharedArrayBuffer(16)
  const all = new Int32Array(memory).fill(-1)
  const mutex = new Int32Array(memory, 4, MUTEX_WORDS)
  expect(Mutex.init(mutex)).toBe(mutex)
  Mutex.lock(mutex, MAX_THREAD_ID)
  expect([...all]).toEqual([-1, MAX_THREAD_ID, -1, -1])
})

test('a mutex that is held is not had by a try, nor by a deadline that is over or no number', () => {
  const mutex = Mutex.init()
  Mutex.lock(mutex, 1)
  expect(Mutex.tryLock(mutex, 2)).toBe(false)
  expect(Mutex.timedLock(mutex, 2, OVER)).toBe(false)
  expect(Mutex.timedLock(mutex, 2, NaN)).toBe(false)
  expect(Mutex.timedLock(mutex, 2, Date.now() + 5)).toBe(false)
  Mutex.unlock(mutex, 1)
  expect(Mutex.timedLock(mutex, 2, OVER)).toBe('acquired')
})

test('the mutex of a dead holder is recovered by a lock, by a try, and by a deadline that is over', () => {
  for (const take of [
    (mutex: Int32Array<SharedArrayBuffer>) => Mutex.lock(mutex, 2, dead(1)),
    (mutex: Int32Array<SharedArrayBuffer>) => Mutex.tryLock(mutex, 2, dead(1)),
    (mutex: Int32Array<SharedArrayBuffer>) => Mutex.timedLock(mutex, 2, OVER, dead(1)),
  ]) {
    const mutex = Mutex.init()
    Mutex.lock(mutex, 1)
    expect(take(mutex)).toBe('recovered')
    expect(() => Mutex.unlock(mutex, 1)).toThrow('threadId=1 does not hold the mutex: holder=2 does')
  }
})

test('a living holder is asked about, and keeps the mutex', () => {
  const mutex = Mutex.init()
  Mutex.lock(mutex, 1)
  const asked: number[] = []
  const isDead = (id: number): boolean => asked.push(id) < 0
  expect(Mutex.tryLock(mutex, 2, { isDead })).toBe(false)
  expect(Mutex.timedLock(mutex, 2, Date.now() + 20, { isDead, graceMs: 1 })).toBe(false)
  expect(new Set(asked)).toEqual(new Set([1]))
  Mutex.unlock(mutex, 1)
})

test('a holder that dies repairing leaves the damage to the next, again and again', () => {
  const mutex = Mutex.init()
  Mutex.lock(mutex, 1)
  for (const id of [2, 3, 4]) expect(Mutex.lock(mutex, id, dead(1, 2, 3))).toBe('recovered')
  Mutex.consistent(mutex, 4)
  Mutex.unlock(mutex, 4)
  expect(Mutex.lock(mutex, 5)).toBe('acquired')
})

test('damage that nobody repaired is told to the next, also when the mutex was unlocked', () => {
  const mutex = Mutex.init()
  Mutex.lock(mutex, 1)
  Mutex.lock(mutex, 2, dead(1))
  Mutex.unlock(mutex, 2)
  expect([...mutex]).toEqual([BROKEN])
  expect(Mutex.lock(mutex, 3)).toBe('recovered')
  Mutex.unlock(mutex, 3)
  expect(Mutex.tryLock(mutex, 4)).toBe('recovered')
  Mutex.consistent(mutex, 4)
  // Of a whole one it is nothing.
  Mutex.consistent(mutex, 4)
  Mutex.unlock(mutex, 4)
  expect([...mutex]).toEqual([0])
})

test('a thread that waits serves others, who need that to give the mutex back', () => {
  const mutex = Mutex.init()
  Mutex.lock(mutex, 1)
  let slices = 0
  const whileWaiting = (): void => {
    slices += 1
    if (slices === 3) Mutex.unlock(mutex, 1)
  }
  expect(Mutex.lock(mutex, 2, { whileWaiting, graceMs: 1 })).toBe('acquired')
  expect(slices).toBe(3)
})

test('an exception of whileWaiting or isDead ends the wait, and the mutex stays with its holder', () => {
  const mutex = Mutex.init()
  Mutex.lock(mutex, 1)
  const fail = (): never => {
    throw new Error('enough')
  }
  expect(() => Mutex.lock(mutex, 2, { whileWaiting: fail })).toThrow('enough')
  expect(() => Mutex.lock(mutex, 2, { isDead: fail, graceMs: 1 })).toThrow('enough')
  Mutex.unlock(mutex, 1)
  expect([...mutex]).toEqual([0])
})

test('the holder cannot take it again, not even while it waits to', () => {
  const mutex = Mutex.init()
  Mutex.lock(mutex, 1)
  expect(() => Mutex.lock(mutex, 1)).toThrow('threadId=1 holds the mutex already')
  expect(() => Mutex.tryLock(mutex, 1)).toThrow('threadId=1 holds the mutex already')
  const whileWaiting = (): void => {
    Mutex.unlock(mutex, 1)
    Mutex.lock(mutex, 2)
  }
  expect(() => Mutex.lock(mutex, 2, { whileWaiting })).toThrow('threadId=2 holds the mutex already')
})

test('a thread that does not hold it can neither unlock it nor call it consistent', () => {
  const mutex = Mutex.init()
  for (const call of [unlock, consistent]) {
    expect(() => call(mutex, 2)).toThrow('threadId=2 does not hold the mutex: it is free')
  }
  Mutex.lock(mutex, 1)
  for (const call of [unlock, consistent]) {
    expect(() => call(mutex, 2)).toThrow('threadId=2 does not hold the mutex: holder=1 does')
  }
  expect(() => Condition.wait(Condition.init(), mutex, 2)).toThrow('threadId=2 does not hold the mutex')
  expect([...mutex]).toEqual([1])
})

test('ids, words and slices out of range are refused with their values', () => {
  const mutex = Mutex.init()
  for (const id of [0, -0, -1, 1.5, NaN, Infinity, MAX_THREAD_ID + 1, 2 ** 31, 2 ** 32 + 1]) {
    for (const call of [lock, tryLock, unlock, consistent]) {
      expect(() => call(mutex, id)).toThrow(`threadId=${id} is not a whole number from 1 to ${MAX_THREAD_ID}`)
    }
  }
  for (const graceMs of [0, -1, NaN, Infinity]) {
    expect(() => Mutex.lock(mutex, 1, { graceMs })).toThrow(`graceMs=${graceMs}`)
  }
  for (const call of [lock, unlock, (words: Words) => Mutex.init(words)]) {
    expect(() => call(sharedWords(0), 1)).toThrow('mutex words.length=0, needs 1')
  }
  expect([...mutex]).toEqual([0])
})
