/**
 * A reset against relay files of other threads: it never happens within a read.
 *
 * Forbidden: counters that a read puts back to what they were before a reset; a buffer that was
 * left within a reset and is used before the reset was done again.
 */
import { BUFFER } from '@rchan/ring'
import { RelayFile } from '@rchan/relay'
import { HEAD } from '@rchan/relay/internal'
import { expect, test } from 'vitest'
import { makeRecord, walkRecords } from '../../../test/records.mjs'
import { bufferIn, FakeThreads, headOf } from './fake-threads.js'

function setUp() {
  const threads = new FakeThreads()
  const { id } = threads.fileThread.open({ subbufSize: 32, subbufCount: 4 })
  threads.fileThread.prepareCpu(0)
  const writing = threads.attach({ ...threads.machine(), patienceMs: 20 })
  const own = bufferIn(writing.relay, id, 0)
  const buffer = bufferIn(threads.fileThread, id, 0)
  return { threads, writing, own, buffer, head: headOf(threads.fileThread, buffer) }
}

test('a reset by the owner, within the read of another thread, is put off to its next record', () => {
  const { own, buffer } = setUp()
  const file = new RelayFile(buffer)
  for (let number = 0; number < 6; number += 1) own.write(makeRecord(8, number))
  let isDone: boolean | undefined
  const got = file.read(8, () => {
    isDone ??= own.reset()
    return true
  })
  expect([got, isDone, own.isAsked, own.resets]).toEqual([8, false, true, 0])
  expect([buffer.bytesConsumed, buffer.produced]).toEqual([8, 1])
  expect(own.write(makeRecord(8, 6))).toBe(true)
  expect([own.isAsked, own.resets, buffer.consumed, buffer.bytesConsumed]).toEqual([false, 2, 0, 0])
  own.switch(0)
  const bytes = file.readBytes(100)
  expect(walkRecords(bytes, 0, bytes.length)).toEqual([6])
})

test('an owner that does the reset of a dead one again waits for the file', () => {
  const { own, head } = setUp()
  own.write(makeRecord(8, 0))
  own.disown()
  // The dead one left the number odd, and the file thread, member 1, is in the middle of a read.
  own.memory.words[BUFFER.resets >> 2] += 1
  head[HEAD.fileLock >> 2] = 1
  expect(() => own.write(makeRecord(8, 1))).toThrow("the lock of the relay's file of cpu=0")
  expect(own.resets).toBe(1)
  // It does not own the buffer then, and the next try may be any thread's.
  expect(head[HEAD.owner >> 2]).toBe(0)
  head[HEAD.fileLock >> 2] = 0
  expect(own.write(makeRecord(8, 1))).toBe(true)
  expect([own.resets, own.produced, own.offset]).toEqual([2, 0, 8])
})
