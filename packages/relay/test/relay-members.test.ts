/**
 * The threads that take part in a relay, and what one of them finds when it looks at another.
 *
 * Forbidden: a thread that is gone and passes for one that lives; one that lives and is robbed; an entry, a CPU or memory
 * that is lost with its thread.
 */
import { expect, test } from 'vitest'
import { makeRecord } from './records.mjs'
import { bufferIn, FakeThreads } from './relay-threads-fake.js'

test('a thread whose entry another one takes during the look is gone: its buffer and its CPU are free', () => {
  const threads = new FakeThreads()
  const { id } = threads.coordinator.open({ subbufSize: 64, subbufCount: 4 })
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
  expect(threads.coordinator.onlineCpus).toEqual([0, 1])
})

test('memory that only a dead thread held is free, though another one takes its entry during the look', () => {
  // Room for the one buffer.
  const threads = new FakeThreads({ memoryBytes: 3 * 4096 })
  const open = () => threads.coordinator.open({ subbufSize: 4096, subbufCount: 2 })
  threads.coordinator.comeOnline()
  const channel = open()
  const writer = threads.attach()
  bufferIn(writer.relay, channel.id, 0).write(makeRecord(8, 0))
  channel.close()
  expect(open).toThrow('no buffer')
  writer.die()
  threads.duringLookAt(writer, () => threads.attach())
  expect(open().buffer(0)?.produced).toBe(0)
})
