import { Writer } from '@rchan/ring'
import { thisThread } from '@rchan/threads'
import { Arena, ARENA, Control, Cpu, PLACE, type ArenaOptions } from '@rchan/runtime'
import { describe, expect, test } from 'vitest'
import { ArenaPool } from '../dist/arena-pool.js'

const SHAPE = { subbufSize: 256, subbufCount: 4, mode: 'discard', headerBytes: 16, possibleCpus: 3 } as const
const GLOBAL = { ...SHAPE, headerBytes: 0, global: true } as const
const CLIENT = { subbufStart: () => undefined, subbufEnd: () => undefined }
const NOBODY = 0
/** No thread has it: above the most that Linux gives. */
const DEAD = 2 ** 30

function arena(options: ArenaOptions = SHAPE, generation = 1, used?: SharedArrayBuffer): Arena {
  return Arena.create(options, generation, NOBODY, new Uint8Array([generation]), used)
}

function setPlace(of: Arena, cpu: number, word: number, value: number): void {
  Atomics.store(of.words, of.placeWord(cpu, word), value)
}

/** A thread as a CPU, played on this thread. The test hands it the arena. */
function online(control: Control, of: Arena): Cpu {
  const cpu = new Cpu(control)
  cpu.setClient(CLIENT)
  cpu.setArena(of)
  control.enable(of.generation)
  expect(cpu.online()).toBe(true)
  return cpu
}

describe('the memory of an arena that is over is given again', () => {
  test('when nobody was ever in it', () => {
    const pool = new ArenaPool()
    const one = arena()
    pool.add(SHAPE, one)
    expect(pool.take({ ...SHAPE })).toBe(one.memory)
    expect(pool.take(SHAPE)).toBeUndefined()
  })

  test('not while a living thread has a place, but when it has left', () => {
    const pool = new ArenaPool()
    const control = Control.create()
    const one = arena()
    const cpu = online(control, one)
    pool.add(SHAPE, one)
    expect(pool.take(SHAPE)).toBeUndefined()
    // It comes online in the next recording.
    const two = arena(SHAPE, 2)
    cpu.setArena(two)
    control.enable(2)
    expect(cpu.online()).toBe(true)
    expect(pool.take(SHAPE)).toBe(one.memory)
    pool.add(SHAPE, two)
    expect(pool.take(SHAPE)).toBeUndefined()
    cpu.release()
    expect(pool.take(SHAPE)).toBe(two.memory)
  })

  test('when the threads that have places are dead', () => {
    const pool = new ArenaPool()
    const one = arena()
    setPlace(one, 1, PLACE.owner, DEAD)
    setPlace(one, 2, PLACE.owner, -5)
    pool.add(SHAPE, one)
    expect(pool.take(SHAPE)).toBeUndefined()
    // Where death is not proven by the kernel.
    setPlace(one, 2, PLACE.exited, 1)
    expect(pool.take(SHAPE)).toBe(one.memory)
  })

  test('not while a thread is about to take a place', () => {
    const pool = new ArenaPool()
    const one = arena()
    Atomics.add(one.words, ARENA.joining >> 2, 1)
    pool.add(SHAPE, one)
    expect(pool.take(SHAPE)).toBeUndefined()
    Atomics.sub(one.words, ARENA.joining >> 2, 1)
    expect(pool.take(SHAPE)).toBe(one.memory)
  })

  test('only for its shape; of others no more than one free one is kept, and all that somebody is in', () => {
    const pool = new ArenaPool()
    const kept = arena()
    setPlace(kept, 1, PLACE.owner, thisThread().identity)
    pool.add(SHAPE, kept)
    for (const subbufCount of [5, 6, 7]) pool.add({ ...SHAPE, subbufCount }, arena({ ...SHAPE, subbufCount }))
    for (const other of [
      { ...SHAPE, subbufSize: 512 },
      { ...SHAPE, mode: 'overwrite' },
      { ...SHAPE, headerBytes: 24 },
      { ...SHAPE, possibleCpus: 4 },
      GLOBAL,
    ] as const) {
      expect(pool.take(other)).toBeUndefined()
      expect(pool.size).toBe(2)
    }
    expect(pool.take({ ...SHAPE, subbufCount: 7 })).toBeDefined()
    setPlace(kept, 1, PLACE.left, 1)
    expect(pool.take(SHAPE)).toBe(kept.memory)
  })

  test('a thread that was stopped before it took a place in the recording that is over takes none in the next', () => {
    const pool = new ArenaPool()
    const control = Control.create()
    const one = arena()
    const late = new Cpu(control)
    late.setClient(CLIENT)
    late.setArena(one)
    pool.add(SHAPE, one)
    const next = arena(SHAPE, 2, pool.take(SHAPE))
    // It still believes that recording 1 runs.
    control.enable(1)
    expect(late.online()).toBe(false)
    for (let cpu = 0; cpu < SHAPE.possibleCpus; cpu += 1) {
      expect(next.words[next.placeWord(cpu, PLACE.owner)]).toBe(0)
    }
    expect(next.words[ARENA.joining >> 2]).toBe(0)
  })

  test('a thread that is just going in or out is not forgotten when the memory is laid out anew', () => {
    const one = arena()
    Atomics.add(one.words, ARENA.joining >> 2, 1)
    const next = arena(SHAPE, 2, one.memory)
    Atomics.sub(one.words, ARENA.joining >> 2, 1)
    expect(next.words[ARENA.joining >> 2]).toBe(0)
  })
})

for (const [name, options] of [
  ['a channel', SHAPE],
  ['a channel in overwrite mode', { ...SHAPE, mode: 'overwrite' }],
  ['a global buffer', GLOBAL],
] as const) {
  test(`what is laid out anew has the words of new memory, whatever happened in it: ${name}`, () => {
    const control = Control.create()
    const used = arena(options)
    const cpu = online(control, used)
    for (let i = 0; i < 100; i += 1) {
      const bytes = new Uint8Array(24).fill(i)
      cpu.writer?.write(bytes)
      cpu.globalWriter?.write(bytes)
    }
    cpu.writer?.discardBad()
    cpu.globalWriter?.discardBad()
    used.remarks.say(7, () => 'x'.repeat(1000))
    if (used.global === undefined) new Writer(used.channel.buffer(2)).write(new Uint8Array(8))
    for (const word of [ARENA.state, ARENA.rounds, ARENA.freed, ARENA.wanted, ARENA.requests])
      used.words[word >> 2] = 3
    cpu.release()
    const again = arena(options, 2, used.memory)
    const fresh = arena(options, 2)
    expect(again.words).toEqual(fresh.words)
    expect(again.generation).toBe(2)
    expect(again.client).toEqual(fresh.client)
    for (let i = 0; i < options.possibleCpus && again.global === undefined; i += 1) {
      expect(again.channel.buffer(i).words).toEqual(fresh.channel.buffer(i).words)
    }
    if (again.global !== undefined) expect(again.global.words).toEqual(fresh.global?.words)
  })

  test(`a record that was begun before its thread left touches nothing: ${name}`, () => {
    const control = Control.create()
    const one = arena(options)
    const cpu = online(control, one)
    const { view, writer, globalWriter } = cpu
    const two = arena(options, 2)
    cpu.setArena(two)
    control.enable(2)
    expect(cpu.online()).toBe(true)
    const before = new Uint8Array(one.memory.slice(0))
    // As an encoder goes on, in each of the ways that it can.
    if (writer !== undefined) {
      expect(view.limit).toBe(-1)
      expect(cpu.makeRoom(writer, 24, 0)).toBeLessThan(0)
      expect(cpu.makeRoom(writer, 2 ** 20, 0)).toBeLessThan(0)
      cpu.discardBad(writer, 0, () => 'late')
    }
    if (globalWriter !== undefined) cpu.discardBad(globalWriter, 0, () => 'late')
    expect(globalWriter?.reserve(24) ?? -1).toBeLessThan(0)
    expect(globalWriter?.reserve(2 ** 20) ?? -1).toBeLessThan(0)
    globalWriter?.discardBad()
    expect(new Uint8Array(one.memory.slice(0))).toEqual(before)
    expect(cpu.writer === writer && writer !== undefined).toBe(false)
  })
}
