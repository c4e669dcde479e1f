/**
 * The mutex in every order of a few threads' steps, with deaths at every step.
 *
 * Forbidden: two living threads in the section; `acquired` after a thread died in the section and
 * before a repair; `recovered` without a death; a living thread that never gets the mutex; without
 * a death, a state in which all threads sleep; in the end, a mutex held by a living thread, or one
 * that lacks SLEEPERS though a thread sleeps.
 */
import { Mutex, type Locked } from '@rchan/sync'
import { expect, test } from 'vitest'
import { DEADLINE, visitAll, type Self } from '../../../test/stepping/every-order.js'

const MUTEX = 0
/** 1 while the guarded data is half done. */
const DIRTY = 1
/** From here on, 1 for each thread that is in the section. */
const INSIDE = 2
const ENTRIES = 8
/** 1 when a thread had died before any of these began. */
const DIED_BEFORE = 9
const WORDS = Array.from({ length: 10 }, () => 0)

function section(self: Self, got: Locked): void {
  self.act((words, dead) => {
    const others = dead.flatMap((gone, i) => (!gone && words[INSIDE + i] === 1 ? [i + 1] : []))
    if (others.length > 0) throw new Error(`${self.id} and ${others.join()} are in the section`)
    if (got === 'acquired' && words[DIRTY] === 1) throw new Error(`${self.id} was not told of the damage`)
    if (got === 'recovered' && !dead.includes(true) && words[DIED_BEFORE] === 0)
      throw new Error(`${self.id} recovers, and nobody died`)
    words[DIRTY] = 1
    words[INSIDE + self.id - 1] = 1
    words[ENTRIES] += 1
    return undefined
  })
  if (got === 'recovered') Mutex.consistent(self.words(MUTEX, 1), self.id)
  self.act((words) => {
    words[DIRTY] = 0
    words[INSIDE + self.id - 1] = 0
    return undefined
  })
}

function locks(times: number): (self: Self) => void {
  return (self) => {
    const mutex = self.words(MUTEX, 1)
    for (let i = 0; i < times; i += 1) {
      section(self, Mutex.lock(mutex, self.id, { isDead: self.isDead }))
      Mutex.unlock(mutex, self.id)
    }
  }
}

function tries(self: Self): void {
  const mutex = self.words(MUTEX, 1)
  const got = Mutex.tryLock(mutex, self.id, { isDead: self.isDead })
  if (got === false) return
  section(self, got)
  Mutex.unlock(mutex, self.id)
}

function locksUntil(self: Self): void {
  const mutex = self.words(MUTEX, 1)
  const got = Mutex.timedLock(mutex, self.id, DEADLINE, { isDead: self.isDead })
  if (got === false) return
  section(self, got)
  Mutex.unlock(mutex, self.id)
}

/** Ignores the result of `lock`, and repairs nothing. */
function careless(self: Self): void {
  const mutex = self.words(MUTEX, 1)
  Mutex.lock(mutex, self.id, { isDead: self.isDead })
  Mutex.unlock(mutex, self.id)
}

function givesUp(self: Self): void {
  const mutex = self.words(MUTEX, 1)
  if (Mutex.timedLock(mutex, self.id, DEADLINE) !== false) Mutex.unlock(mutex, self.id)
}

/** Has the mutex from the start, and takes it again as soon as it has given it back. */
function greedy(self: Self): void {
  const mutex = self.words(MUTEX, 1)
  Mutex.unlock(mutex, self.id)
  Mutex.lock(mutex, self.id)
  Mutex.unlock(mutex, self.id)
}

const HOLDER = 0x3fff_ffff
/** A mutex that the first thread holds. */
const HELD_WORDS = WORDS.with(MUTEX, 1)
/** A mutex whose holder died before, and the half-done data that it left. */
const BROKEN_WORDS = WORDS.with(MUTEX, 0x4000_0000).with(DIRTY, 1).with(DIED_BEFORE, 1)

function released(words: Int32Array, dead: readonly boolean[]): void {
  const holder = words[MUTEX] & HOLDER
  expect(holder === 0 || dead[holder - 1]).toBe(true)
}

function allEntered(times: number): (words: Int32Array, dead: readonly boolean[]) => void {
  return (words, dead) => {
    released(words, dead)
    if (!dead.includes(true)) expect([words[MUTEX] & HOLDER, words[ENTRIES]]).toEqual([0, times])
  }
}

test.each([
  ['two threads, twice each', { threads: [locks(2), locks(2)], timeouts: 2, end: allEntered(4) }],
  ['three threads', { threads: [locks(1), locks(1), locks(1)], timeouts: 1, end: allEntered(3) }],
  ['two threads that may die', { threads: [locks(2), locks(1)], deaths: 2, timeouts: 2, end: allEntered(3) }],
  [
    'three threads of which one may die',
    { threads: [locks(1), locks(1), locks(1)], deaths: 1, end: released },
  ],
  ['three threads of which two may die', { threads: [locks(1), locks(1), tries], deaths: 2, end: released }],
  ['one that dies, and two that try', { threads: [locks(1), tries, tries], deaths: 2, end: released }],
  [
    'one that gives up at any moment',
    { threads: [locks(1), locks(1), locksUntil], clock: true, end: released },
  ],
  [
    'one that gives up, and a death',
    { threads: [locks(1), locksUntil], deaths: 1, clock: true, timeouts: 1, end: released },
  ],
  [
    'one that gives up as it is woken',
    { words: HELD_WORDS, threads: [greedy, givesUp, careless], asleep: [2, 3], clock: true, end: released },
  ],
  [
    'one that is careless, and a death',
    { threads: [locks(1), careless, locks(1)], deaths: 1, end: released },
  ],
  ['two that find it broken', { words: BROKEN_WORDS, threads: [locks(1), locks(1)], end: allEntered(2) }],
])('exclusion holds, damage is told, and all get through: %s', (_, model) => {
  const { ends } = visitAll({ words: WORDS, ...model })
  expect(ends).toBeGreaterThan(0)
})
