/** The credit of each thread: places are used again, and memory may be damaged. */
import { Arena, PLACE, threadTag, THREAD_NAME_BYTES } from '@rchan/runtime'
import { expect, test } from 'vitest'
import { ThreadHistory } from '../dist/ledger.js'

const PLACES = 3

class Places {
  readonly arena: Arena
  readonly history: ThreadHistory

  constructor(global: boolean) {
    const channel = { subbufSize: 512, subbufCount: 4, mode: 'discard' as const, possibleCpus: PLACES }
    this.arena = Arena.create({ ...channel, headerBytes: 16, global }, 1, 0, new Uint8Array(0))
    this.history = new ThreadHistory(this.arena)
  }

  set(cpu: number, word: number, value: number): void {
    Atomics.store(this.arena.words, this.arena.placeWord(cpu, word), value)
  }

  /** A thread comes online. */
  come(cpu: number, threadId: number, name: string): void {
    this.set(cpu, PLACE.threadId, threadId)
    this.arena.setThreadName(cpu, Buffer.from(name))
    this.set(cpu, PLACE.online, 1)
  }

  /** The consumer frees the place of a dead thread, which has been there so many times. */
  free(cpu: number, generation: number): void {
    this.history.retired(cpu)
    this.set(cpu, PLACE.online, 0)
    this.set(cpu, PLACE.generation, generation)
  }
}

test('a thread that has not come online in the place of another is not taken for that one', () => {
  const places = new Places(false)
  const { history } = places
  expect(history.present(1)).toBe(undefined)
  places.come(1, 5, 'a')
  const first = { generation: 0, threadId: 5, threadName: 'a' }
  expect(history.present(1)).toEqual(first)
  places.free(1, 1)
  places.set(1, PLACE.threadId, 6)
  expect(history.present(1)).toBe(undefined)
  // The end of a stream belongs to the last thread.
  expect(history.latest(1)).toEqual(first)
  places.come(1, 6, 'b')
  const second = { generation: 1, threadId: 6, threadName: 'b' }
  expect(history.present(1)).toEqual(second)
  expect(history.all).toEqual([first, second])
  history.credit(1, history.present(1), 7)
  history.credit(1, undefined, 2)
  expect(history.threads(1)).toEqual([second])
  expect(history.events(1)).toBe(9)
})

test('records of a shared buffer are of the threads of their place, one after the other', () => {
  const places = new Places(true)
  const { history } = places
  places.come(1, 5, 'a')
  places.free(1, 1)
  places.come(1, 6, 'wrote nothing')
  places.free(1, 2)
  places.come(1, 65_536 + 7, 'b')
  history.creditTag(threadTag(1, 5), 3)
  history.creditTag(threadTag(1, 65_536 + 7), 4)
  history.creditTag(threadTag(1, 65_536 + 7), 4)
  expect(history.threads(1)).toEqual([
    { generation: 0, threadId: 5, threadName: 'a' },
    { generation: 2, threadId: 65_536 + 7, threadName: 'b' },
  ])
  expect(history.events(1)).toBe(11)
})

test("a tag of no thread is counted and nobody's", () => {
  const places = new Places(true)
  const { history } = places
  places.come(1, 5, 'a')
  for (const [cpu, threadId] of [
    [1, 6],
    [2, 5],
    [PLACES, 5],
    [65_535, 65_535],
  ]) {
    history.creditTag(threadTag(cpu, threadId), 1)
    expect(history.threads(cpu)).toEqual([])
    expect(history.events(cpu)).toBe(1)
  }
  history.findNew()
  expect(history.all).toEqual([{ generation: 0, threadId: 5, threadName: 'a' }])
})

test('a name is what stands there up to a NUL, whatever it is', () => {
  const { arena } = new Places(false)
  for (const [bytes, name] of [
    [Buffer.from('é'.repeat(32)), 'é'.repeat(32)],
    [Buffer.from('short'), 'short'],
    [Buffer.from('a\0b'), 'a'],
    [Buffer.from([0x61, 0xff, 0xe2, 0x82]), 'a\ufffd\ufffd'],
    [Buffer.alloc(0), 'unknown'],
    [Buffer.from('x'.repeat(THREAD_NAME_BYTES + 9)), 'x'.repeat(THREAD_NAME_BYTES)],
  ] as const) {
    arena.setThreadName(2, bytes)
    expect(arena.threadName(2)).toBe(name)
    expect(arena.threadName(1)).toBe('unknown')
  }
})
