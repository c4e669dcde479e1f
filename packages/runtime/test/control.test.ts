import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { catchAccesses, type Observer } from '../../../test/stepping/accesses.js'
import { interrupt } from '../../../test/stepping/interrupted.js'
import { thisThread } from '@rchan/threads'
import { CONTROL, Control, MAX_ENTRIES } from '@rchan/runtime'

const PAGE_BYTES = 256 * 1024

/** Offsets of the entries of the table, in its own words. */
function offsets(control: Control): number[] {
  const found: number[] = []
  for (let at: number = CONTROL.table; control.words[at >> 2] !== 0; at += control.words[at >> 2])
    found.push(at)
  return found
}

/** The entry of a declarer that ended between claiming the entry and filling it. */
function leaveHole(control: Control, bytes: number): void {
  const at = CONTROL.table + offsets(control).reduce((sum, each) => sum + control.words[each >> 2], 0)
  expect(Atomics.compareExchange(control.words, at >> 2, 0, bytes)).toBe(0)
}

function shuffled<T>(list: readonly T[], seed: number): T[] {
  let state = seed
  const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32
  return list
    .map((value) => ({ value, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value)
}

describe('the tracepoint table', () => {
  test('gives the same text the same id, and another text another', () => {
    const control = Control.create()
    const texts = ['a', 'b', '', 'ä€😀', 'a'.repeat(1000), 'x,y', 'a ']
    const ids = texts.map((text) => control.declare(text))
    expect(ids).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(texts.map((text) => control.declare(text))).toEqual(ids)
    expect(new Control(control.memory).entries().found).toEqual(texts.map((text, id) => ({ id, text })))
  })

  test('is the same for four threads that declare the same texts at once: no text has two ids', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const control = Control.create()
    const texts = Array.from({ length: 200 }, (_, i) => `text ${i} ${'x'.repeat(i % 40)}`)
    const shared = new SharedArrayBuffer(4)
    const threads = 4
    const answers = await Promise.all(
      Array.from({ length: threads }, async (_, i) => {
        const workerData = { memory: control.memory, shared, threads, texts: shuffled(texts, seed + i) }
        const worker = new Worker(new URL('./fixtures/declare.mjs', import.meta.url), { workerData })
        return await new Promise<[string, number][]>((resolve, reject) => {
          worker.once('message', resolve).once('error', reject)
        })
      }),
    )
    const [first, ...others] = answers.map((answer) => new Map(answer))
    for (const other of others) {
      for (const [text, id] of first) expect(other.get(text), `seed=${seed} ${text}`).toBe(id)
    }
    expect(new Set(first.values()).size, `seed=${seed}`).toBe(texts.length)
    const byId = new Map(control.entries().found.map(({ id, text }) => [id, text]))
    for (const [text, id] of first) expect(byId.get(id), `seed=${seed}`).toBe(text)
  })

  test('passes over the hole of a dead declarer: later ids are not mixed up, and are found by others', () => {
    const control = Control.create()
    expect(control.declare('before')).toBe(0)
    leaveHole(control, 64)
    const { waiting } = control.entries()
    expect(waiting).toMatchObject([{ id: 1 }])
    expect(control.textAt(waiting[0].at)).toBeUndefined()
    expect(control.declare('after')).toBe(2)
    expect(control.declare('before')).toBe(0)
    expect(control.declare('after')).toBe(2)
    const { found, next, waiting: none } = control.entries()
    expect(found).toEqual([
      { id: 0, text: 'before' },
      { id: 2, text: 'after' },
    ])
    // No thread waits for it any more.
    expect(none).toEqual([])
    control.declare('later')
    expect(control.entries(next).found).toEqual([{ id: 3, text: 'later' }])
  })

  test('waits for the hole of a dead declarer once, not at every declaration of every thread', () => {
    const control = Control.create()
    leaveHole(control, 64)
    control.declare('the first waits')
    const sleeps: number[] = []
    interrupt({ pass: (ms) => void sleeps.push(ms) }, () => {
      for (let i = 0; i < 5; i += 1) new Control(control.memory).declare(`later ${i}`)
    })
    expect(sleeps).toEqual([])
  })

  test('gives the id of the entry that counts to a declarer that was stopped for too long over its own', () => {
    // It claimed entry 0, and was not scheduled for longer than others wait for it.
    const control = Control.create()
    let other = -1
    const set = vi.spyOn(Uint8Array.prototype, 'set').mockImplementationOnce(function stopped(
      this: Uint8Array,
      ...args
    ) {
      set.mockRestore()
      other = new Control(control.memory).declare('same')
      this.set(...args)
    })
    onTestFinished(() => {
      set.mockRestore()
    })
    const id = control.declare('same')
    expect(other).toBeGreaterThan(0)
    expect(id).toBe(other)
    expect(control.declare('same')).toBe(other)
    expect(control.entries().found).toEqual([{ id: other, text: 'same' }])
  })

  test('throws when it is full of entries, with the number and the text; what is in it is still found', () => {
    const control = Control.create()
    for (let i = 0; i < MAX_ENTRIES; i += 1) control.declare(`${i}`)
    expect(() => control.declare('one too many')).toThrow(RangeError)
    expect(() => control.declare('one too many')).toThrow(/2048 tracepoints.*one too many/)
    expect(control.declare('17')).toBe(17)
    expect(control.declare(`${MAX_ENTRIES - 1}`)).toBe(MAX_ENTRIES - 1)
    expect(control.entries().found.length).toBe(MAX_ENTRIES)
  })

  test('throws when it is full of bytes; nothing is written behind the page', () => {
    const control = Control.create()
    const long = (i: number): string => `${i}${'x'.repeat(10_000)}`
    let count = 0
    expect(() => {
      for (; count < 100; count += 1) control.declare(long(count))
    }).toThrow(`${PAGE_BYTES - CONTROL.table} bytes of names`)
    expect(count).toBe(Math.floor((PAGE_BYTES - CONTROL.table) / 10_016))
    expect(control.declare(long(3))).toBe(3)
    expect(control.declare('a short one still fits')).toBe(count)
    expect(() => control.declare('x'.repeat(PAGE_BYTES))).toThrow(RangeError)
  })

  test('with garbage in it is read without a throw, up to the garbage', () => {
    for (const garbage of [-8, 1, 4, 11, PAGE_BYTES, 2 ** 31 - 1, -(2 ** 31)]) {
      const control = Control.create()
      control.declare('good')
      const at = CONTROL.table + control.words[CONTROL.table >> 2]
      control.words[at >> 2] = garbage
      expect(control.entries().found, `${garbage}`).toEqual([{ id: 0, text: 'good' }])
      expect(() => control.declare('other'), `${garbage}`).toThrow(RangeError)
    }
    const control = Control.create()
    control.declare('good')
    control.words[(CONTROL.table + 8) >> 2] = -1
    expect(control.entries().found.length).toBe(1)
  })
})

test('switching on sets the flag of every possible id; switching off clears them', () => {
  const control = Control.create()
  control.enable(3)
  expect(control.generation).toBe(3)
  expect([...new Set(control.flags)]).toEqual([3])
  control.enable(0)
  expect([...new Set(control.flags)]).toEqual([0])
})

test('records without a place are counted from all sides, and reset', () => {
  const control = Control.create()
  control.countNoBuffer()
  new Control(control.memory).countNoBuffer()
  expect(control.noBuffer).toBe(2)
  control.resetFaults()
  expect(control.noBuffer).toBe(0)
})

test('switching a recording off that is over leaves the one after it on', () => {
  // A thread found the recorder of 1 dead, was stopped, and went on when 2 had begun.
  const control = Control.create()
  control.enable(1)
  control.enable(2)
  control.disable(1)
  expect(control.generation).toBe(2)
  expect(control.flags.every((flag) => flag === 2)).toBe(true)
  control.disable(2)
  expect(control.generation).toBe(0)
  expect(control.flags.every((flag) => flag === 0)).toBe(true)
})

test.skipIf(process.platform !== 'linux')(
  'a thread that replaces a dead recorder is never seen with the start time of the dead one',
  () => {
    // Two threads took over at once: with the start time of the dead thread, the identity of the
    // living one belongs to no thread.
    const control = Control.create()
    const dead = { identity: 2 ** 22 + 1, startTicks: 5, threadId: 9 }
    expect(control.claimRecorder(dead)).toBe(0)
    const me = thisThread()
    let seen = 0
    let isLooking = false
    const observer: Observer = (access) => {
      const result = access.perform()
      if (isLooking) return result
      isLooking = true
      if (control.recorder === me.identity) {
        seen += 1
        expect(control.isRecorderDead()).toBe(false)
      }
      isLooking = false
      return result
    }
    catchAccesses(() => expect(control.claimRecorder(me)).toBe(0), observer)
    expect(seen).toBeGreaterThan(0)
  },
)
