/**
 * The threads that take part in a relay, and what one of them finds when it looks at another.
 *
 * Forbidden: a thread that is gone and passes for one that lives; one that lives and is robbed; an
 * entry, a CPU or memory that is lost with its thread.
 */
import { MAX_MEMBERS, RelayFile } from '@rchan/relay'
import { HEAD } from '@rchan/relay/internal'
import { ENOUGH_LOOKS } from '@rchan/sync/look-again'
import { describe, expect, test } from 'vitest'
import { makeRecord } from '../../../test/records.mjs'
import { Members } from '../dist/members.js'
import { Slot } from '../dist/slot.js'
import { RelayWords } from '../dist/words.js'
import { bufferIn, FakeThreads, type FakeThread, headOf } from './fake-threads.js'

test('a thread whose entry another one takes during the look is gone: its buffer and its CPU are free', () => {
  const threads = new FakeThreads()
  const { id } = threads.fileThread.open({ subbufSize: 64, subbufCount: 4 })
  const owner = threads.attach()
  const next = threads.attach()
  const cpu = owner.relay.comeOnline()
  bufferIn(owner.relay, id, cpu).write(makeRecord(8, 0))
  owner.die()
  threads.duringLookAt(owner, () => threads.attach())
  // "cpu=0 is written by another thread, which lives", it was.
  expect(bufferIn(next.relay, id, cpu).write(makeRecord(8, 1))).toBe(true)
  expect(next.relay.comeOnline(cpu)).toBe(cpu)
})

test('an entry that is taken during the look of a thread that joins is not taken twice', () => {
  const threads = new FakeThreads()
  const gone = threads.attach()
  gone.die()
  threads.duringLookAt(gone, () => threads.attach().relay.comeOnline())
  threads.attach().relay.comeOnline()
  expect(threads.fileThread.onlineCpus).toEqual([0, 1])
})

test('memory that only a dead thread held is free, though another one takes its entry during the look', () => {
  // Room for the one buffer.
  const threads = new FakeThreads({ memoryBytes: 4 * 4096 })
  const open = () => threads.fileThread.open({ subbufSize: 4096, subbufCount: 2 })
  threads.fileThread.comeOnline()
  const channel = open()
  const writer = threads.attach()
  bufferIn(writer.relay, channel.id, 0).write(makeRecord(8, 0))
  channel.close()
  expect(open).toThrow('no buffer')
  writer.die()
  threads.duringLookAt(writer, () => threads.attach())
  expect(open().buffer(0)?.produced).toBe(0)
})

test('what the thread holds that takes an entry during the look is seen', () => {
  const { fileThread } = new FakeThreads()
  const { id } = fileThread.open({ subbufSize: 64, subbufCount: 4 })
  const words = RelayWords.attach(fileThread.memory)
  const slot = new Slot(words, 0)
  const dead = new Set<number>()
  let whileLooking = (): void => undefined
  const member = (identity: number): Members => {
    const isDead = (looked: number): boolean => {
      whileLooking()
      return dead.has(looked)
    }
    const joined = new Members(words, { isDead, log: () => undefined })
    joined.join(identity, 0)
    return joined
  }
  const looking = member(6)
  member(7).hold(slot, id)
  expect(looking.isHeld(slot)).toBe(true)
  dead.add(7)
  expect(looking.isHeld(slot)).toBe(false)
  whileLooking = () => {
    whileLooking = () => undefined
    // Nobody else is dead: it takes this entry.
    expect(member(8).hold(slot, id)).toBe(true)
  }
  expect(looking.isHeld(slot)).toBe(true)
})

describe('a thread that has ended, and shows as living for a few looks,', () => {
  /** Lets a thread be seen living so often, and dead from then on. */
  function diesAtLook(threads: FakeThreads, thread: FakeThread, looks: number): void {
    let left = looks
    threads.whileLooking = (identity) => {
      if (identity === thread.identity && --left === 0) thread.die()
    }
  }

  test('gives up its buffer, its CPU and its place among the threads to the first that needs them', () => {
    const threads = new FakeThreads({ possibleCpus: 2 })
    const { id } = threads.fileThread.open({ subbufSize: 64, subbufCount: 4 })
    threads.fileThread.comeOnline()
    const writing = threads.attach()
    const next = threads.attach()
    const cpu = writing.relay.comeOnline()
    bufferIn(writing.relay, id, cpu).write(makeRecord(8, 0))
    diesAtLook(threads, writing, 7)
    expect(bufferIn(next.relay, id, cpu).write(makeRecord(8, 1))).toBe(true)

    const online = threads.attach()
    online.relay.comeOnline()
    diesAtLook(threads, online, 7)
    expect(next.relay.comeOnline()).toBe(cpu)

    // The dead ones have entries, which these take, too.
    const more = Array.from({ length: MAX_MEMBERS - 2 }, () => threads.attach())
    diesAtLook(threads, more[20], 7)
    expect(threads.attach().relay.channels.length).toBe(1)
  })

  test('gives up the memory of a closed channel, and its place among the channels', () => {
    const threads = new FakeThreads({ memoryBytes: 4 * 4096 })
    const open = () => threads.fileThread.open({ subbufSize: 4096, subbufCount: 2 })
    threads.fileThread.comeOnline()
    const channel = open()
    const writer = threads.attach()
    bufferIn(writer.relay, channel.id, 0).write(makeRecord(8, 0))
    channel.close()
    diesAtLook(threads, writer, 7)
    expect(open().buffer(0)?.produced).toBe(0)
  })
})

test('a thread that lives is looked at so often and no more, and is told to live', () => {
  const threads = new FakeThreads({ possibleCpus: 1 })
  const { id } = threads.fileThread.open({ subbufSize: 64, subbufCount: 4 })
  const owner = threads.attach()
  const other = threads.attach()
  bufferIn(owner.relay, id, owner.relay.comeOnline()).write(makeRecord(8, 0))
  let looks = 0
  threads.whileLooking = () => void (looks += 1)
  const looksOf = (run: () => void): number => {
    looks = 0
    run()
    return looks
  }
  const write = () =>
    expect(() => bufferIn(other.relay, id, 0).write(makeRecord(8, 1))).toThrow(
      'cpu=0 is written by another thread, which lives',
    )
  const comeOnline = () => expect(() => other.relay.comeOnline()).toThrow('all 1 CPUs are online')
  expect([looksOf(write), looksOf(comeOnline)]).toEqual([ENOUGH_LOOKS, ENOUGH_LOOKS])
  // It was waited for in vain.
  expect(looksOf(write)).toBeLessThan(ENOUGH_LOOKS)
  expect(looksOf(comeOnline)).toBeLessThan(ENOUGH_LOOKS)
  // Another owner may be one that ends.
  owner.relay.goOffline()
  bufferIn(threads.attach().relay, id, 0).write(makeRecord(8, 2))
  expect(looksOf(write)).toBe(ENOUGH_LOOKS)
})

test('memory that the caller itself holds is not waited for', () => {
  const threads = new FakeThreads({ memoryBytes: 4 * 4096 })
  const open = () => threads.fileThread.open({ subbufSize: 4096, subbufCount: 2 })
  threads.fileThread.comeOnline()
  const channel = open()
  const file = new RelayFile(bufferIn(threads.fileThread, channel.id, 0))
  channel.close()
  let looks = 0
  threads.whileLooking = () => void (looks += 1)
  expect(open).toThrow('no buffer')
  expect(looks).toBeLessThan(ENOUGH_LOOKS)
  file.release()
  expect(open().isOpen).toBe(true)
})

test('a thread that takes care of a buffer and never comes to an end makes a record an error', () => {
  const threads = new FakeThreads()
  const { id } = threads.fileThread.open({ subbufSize: 64, subbufCount: 4 })
  threads.fileThread.prepareCpu(0)
  const buffer = bufferIn(threads.fileThread, id, 0)
  const other = threads.attach({ ...threads.machine(), patienceMs: 20 })
  // Members are numbered as they join: the file thread has it in its care.
  headOf(threads.fileThread, buffer)[HEAD.owner >> 2] = -1
  expect(() => bufferIn(other.relay, id, 0).write(makeRecord(8, 0))).toThrow(
    "the lock of the relay's buffer of cpu=0 was not to be had within 20 ms: member=1 holds it",
  )
  headOf(threads.fileThread, buffer)[HEAD.owner >> 2] = 0
  expect(bufferIn(other.relay, id, 0).write(makeRecord(8, 0))).toBe(true)
})
