import { describe, expect, test } from 'vitest'
import { ARENA, CONSUMER_STATE, PLACE } from '@rchan/runtime'
import { endRequests, request, WANT } from '../dist/request.js'
import { fsError } from './faults.ts'
import { GRACE_MS, Machine, numbers } from './machine.ts'

const asked = ARENA.requests >> 2
const served = ARENA.answers >> 2

/** Asks as a thread does, without the wait. */
function ask(machine: Machine): number {
  return request(machine.arena, machine.control, WANT.flush)
}

function answered(machine: Machine): number {
  return Atomics.load(machine.arena.words, served)
}

describe('a flush on request', () => {
  test('is answered when what was written before it is in the file, and not earlier', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(6)
    const ticket = ask(machine)
    machine.consumer.doWork()
    expect(machine.content(0)?.numbers).toEqual(numbers(4))
    machine.pass(GRACE_MS - 1)
    expect(answered(machine)).toBe(ticket - 1)
    machine.pass(1)
    expect(answered(machine)).toBe(ticket)
    expect(machine.content(0)).toMatchObject({ numbers: numbers(6), lost: 0 })
    // The file ends there, and tracing goes on.
    thread.write(2)
    machine.pass(1000)
    expect(machine.content(0)?.numbers).toEqual(numbers(8))
  })

  test('is answered at once when there is nothing to deliver', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(4)
    machine.consumer.doWork()
    machine.pass(200)
    const ticket = ask(machine)
    machine.consumer.doWork()
    expect(answered(machine)).toBe(ticket)
  })

  test('delivers what was completed while its sample aged', () => {
    const machine = new Machine({ subbufCount: 4 })
    const thread = machine.thread(0, 7)
    thread.write(2)
    const ticket = ask(machine)
    machine.consumer.doWork()
    // As much as the buffer takes.
    const more = thread.write(20)
    machine.pass(GRACE_MS)
    expect(answered(machine)).toBe(ticket)
    expect(machine.content(0)?.numbers).toEqual(
      numbers(2 + more).slice(0, machine.content(0)?.numbers.length),
    )
    expect(machine.content(0)?.numbers.length).toBeGreaterThanOrEqual(2)
  })

  test('is answered for all who asked, one after the other: who asks all the time keeps nobody waiting', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(1)
    const first = ask(machine)
    for (let i = 0; i <= GRACE_MS; i += 1) {
      machine.pass(1)
      ask(machine)
    }
    expect(answered(machine)).toBeGreaterThanOrEqual(first)
    expect(machine.content(0)?.numbers).toEqual(numbers(1))
    machine.pass(2 * GRACE_MS)
    expect(answered(machine)).toBe(Atomics.load(machine.arena.words, asked))
  })

  test('tells of what was lost, also on a CPU that has no file yet', () => {
    const machine = new Machine()
    machine.thread(0, 7).writer.discardBad()
    ask(machine)
    machine.pass(2 * GRACE_MS)
    expect(machine.content(0)).toMatchObject({ numbers: [], lost: 1 })
    const { cpus } = machine.consumer.finish()
    expect(cpus).toMatchObject([{ cpu: 0, events: 0, discarded: { bad: 1 } }])
  })

  test('tells of records without a place on the stream that tells of them at the end', () => {
    const machine = new Machine()
    const quiet = machine.thread(0, 7)
    machine.thread(1, 8).write(1)
    for (let i = 0; i < 5; i += 1) machine.control.countNoBuffer()
    ask(machine)
    machine.pass(2 * GRACE_MS)
    expect(machine.content(1)?.lost).toBe(5)
    quiet.write(1)
    machine.control.countNoBuffer()
    expect(machine.consumer.finish().noBuffer).toBe(6)
    expect([machine.content(0)?.lost, machine.content(1)?.lost]).toEqual([0, 6])
  })

  test('tries again what could not be written, and is answered when it still can not be', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    machine.failPrepare = fsError('ENOSPC')
    thread.write(4)
    machine.consumer.doWork()
    const ticket = ask(machine)
    machine.pass(1 + GRACE_MS)
    expect(answered(machine)).toBe(ticket)
    expect(machine.content(0)).toBeUndefined()
    machine.failPrepare = undefined
    ask(machine)
    machine.pass(1 + GRACE_MS)
    expect(machine.content(0)?.numbers).toEqual(numbers(4))
  })

  test('is one of the things that can be wanted: all are done before the last request is answered', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(2)
    machine.claim(1, 8, 8)
    machine.dead.add(8)
    ask(machine)
    const ticket = request(machine.arena, machine.control, WANT.places)
    machine.consumer.doWork()
    expect(machine.place(1, PLACE.owner)).toBe(0)
    expect(answered(machine)).toBe(0)
    machine.pass(GRACE_MS)
    expect(answered(machine)).toBe(ticket)
    expect(machine.content(0)?.numbers).toEqual(numbers(2))
  })

  test('is answered by the end that a stop brings', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(2)
    const ticket = ask(machine)
    request(machine.arena, machine.control, WANT.stop)
    expect(machine.consumer.isToStop).toBe(false)
    machine.consumer.doWork()
    expect(machine.consumer.isToStop).toBe(true)
    machine.consumer.finish()
    expect(machine.content(0)?.numbers).toEqual(numbers(2))
    endRequests(machine.arena)
    expect(machine.arena.words[ARENA.state >> 2]).toBe(CONSUMER_STATE.over)
    expect(answered(machine)).toBe(ticket + 1)
    expect(machine.flush()).toBe(true)
  })

  test('is answered though a word of its memory was damaged', () => {
    const machine = new Machine()
    machine.thread(0, 7).write(2)
    Atomics.store(machine.arena.words, ARENA.wanted >> 2, 0x7ffffff8)
    const ticket = ask(machine)
    machine.pass(1 + GRACE_MS)
    expect(answered(machine)).toBe(ticket)
  })

  test.each([
    ['requests', asked],
    ['answers', served],
  ])('is not waited for for ever when `%s` goes back, though the consumer goes on', (_, word) => {
    const machine = new Machine()
    const { words } = machine.arena
    // The counters stand at 1, and the answer to 2 is lost.
    const first = ask(machine)
    machine.pass(2 * GRACE_MS)
    expect(answered(machine)).toBe(first)
    let waits = 0
    machine.played.wait = () => {
      waits += 1
      if (waits > 1000) throw new Error('waits for ever')
      if (word === asked) Atomics.store(words, word, 0)
      machine.pass(GRACE_MS * 2)
      if (word === served) Atomics.store(words, word, 0)
      return 'timed-out'
    }
    expect(machine.flush()).toBe(false)
    expect(waits).toBe(1)
  })

  test('is not waited for when the consumer has ended', () => {
    const machine = new Machine()
    Atomics.store(machine.arena.words, ARENA.state >> 2, CONSUMER_STATE.over)
    expect(machine.flush()).toBe(true)
  })

  test('is not waited for when the consumer makes no progress', () => {
    const machine = new Machine()
    expect(machine.flush(200)).toBe(false)
  })
})
