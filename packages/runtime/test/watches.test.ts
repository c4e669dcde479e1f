import { setTimeout as delay } from 'node:timers/promises'
import { Writer, GlobalWriter } from '@rchan/ring'
import { Arena, Control, Cpu, nodeMachine, PLACE } from '@rchan/runtime'
import { describe, expect, test } from 'vitest'
import { FillWatch } from '../dist/fill-watch.js'
import { Heartbeat } from '../dist/heartbeat.js'
import { LevelWatch } from '../dist/level-watch.js'
import { StallWatch } from '../dist/stall-watch.js'
import type { SnapshotCause } from '../dist/trigger.js'

const SHAPE = {
  mode: 'overwrite',
  subbufCount: 4,
  possibleCpus: 3,
  subbufSize: 64,
  headerBytes: 0,
} as const
const newArena = (global = false): Arena => Arena.create({ ...SHAPE, global }, 1, 0, new Uint8Array(0))

/** Takes no snapshot, and keeps the causes. */
function taker(): { causes: SnapshotCause[]; take: (cause: SnapshotCause) => undefined } {
  const causes: SnapshotCause[] = []
  return { causes, take: (cause) => void causes.push(cause) }
}

describe('the watch for event loops that stand still', () => {
  /** A thread in place 1 whose loop beats when told, and a watch that looks when told. */
  function stage(limit: number) {
    const arena = newArena()
    const set = (word: number, value: number): void =>
      void Atomics.store(arena.words, arena.placeWord(1, word), value)
    const { causes, take } = taker()
    let time = 5000
    const dead = new Set<number>()
    const played = { ...nodeMachine, now: () => time, isDead: (id: number) => dead.has(id) }
    const watch = new StallWatch(arena, played, take)
    set(PLACE.owner, 77)
    set(PLACE.threadId, 9)
    arena.setThreadName(1, new TextEncoder().encode('decoder'))
    set(PLACE.stallMs, limit)
    const beat = (): void => void Atomics.add(arena.words, arena.placeWord(1, PLACE.beats), 1)
    /** Lets time pass, and looks whenever a look is due. */
    const pass = (ms: number, each: () => void = () => undefined): void => {
      for (const end = time + ms; time < end; time += 5) {
        if (time >= watch.dueAt) watch.look(time)
        each()
      }
    }
    const jump = (ms: number): void => {
      time += ms
      watch.look(time)
    }
    return { causes, set, beat, pass, jump, dead, arena }
  }

  test('fires once for each stall, while it lasts, and says how long it has lasted', () => {
    const { causes, beat, pass } = stage(200)
    pass(2000, beat)
    expect(causes).toEqual([])
    pass(150)
    expect(causes).toEqual([])
    pass(5000)
    expect(causes.length).toBe(1)
    expect(causes[0]).toMatchObject({ trigger: 'stall', thread: 9 })
    expect(causes[0].reason).toMatch(
      /^the event loop of thread 9 \(decoder\) has stood still for 2\d\d ms so far \(stallMs=200\)$/,
    )
    beat()
    pass(150)
    expect(causes.length).toBe(1)
    pass(200)
    expect(causes.length).toBe(2)
  })

  test('a process that was stopped, or a machine that slept, is no stall', () => {
    const { causes, beat, pass, jump } = stage(200)
    pass(500, beat)
    pass(80)
    jump(60_000)
    expect(causes).toEqual([])
    // Stopped for less than the limit, and the loop comes just after this thread.
    beat()
    pass(100)
    jump(190)
    expect(causes).toEqual([])
    beat()
    pass(1000, beat)
    expect(causes).toEqual([])
    // The loop still stands after a stop: that is one.
    pass(80)
    jump(60_000)
    pass(300)
    expect(causes.length).toBe(1)
  })

  test('a thread that is not watched, is gone, or is another one by now does not stall', () => {
    const { causes, set, pass, dead } = stage(200)
    pass(150)
    set(PLACE.stallMs, 0)
    pass(1000)
    set(PLACE.stallMs, 200)
    pass(150)
    set(PLACE.generation, 1)
    pass(150)
    dead.add(77)
    pass(1000)
    expect(causes).toEqual([])
  })

  test('a limit that no thread can have set is none', () => {
    const { causes, set, pass } = stage(200)
    for (const limit of [1, -5, 49, 2 ** 31 - 1]) {
      set(PLACE.stallMs, limit)
      pass(1000)
    }
    expect(causes).toEqual([])
  })
})

test('a heartbeat counts in the place of its thread, and only in the recording that runs', async () => {
  const control = Control.create()
  const arena = newArena()
  const cpu = new Cpu(control)
  cpu.setClient({ subbufStart: () => undefined, subbufEnd: () => undefined })
  cpu.setArena(arena)
  const word = (of: number): number => Atomics.load(arena.words, arena.placeWord(cpu.number, of))
  control.enable(1)
  const heartbeat = new Heartbeat(cpu, 50, () => 0.5)
  expect(cpu.number).toBe(-1)
  cpu.online()
  while (word(PLACE.beats) < 3) await delay(1)
  expect([word(PLACE.stallMs), word(PLACE.heap)]).toEqual([50, 500])
  control.disable(1)
  const before = word(PLACE.beats)
  await delay(100)
  expect(word(PLACE.beats)).toBe(before)
  control.enable(1)
  while (word(PLACE.beats) === before) await delay(1)
  heartbeat.end()
  expect(word(PLACE.stallMs)).toBe(0)
  const last = word(PLACE.beats)
  await delay(100)
  expect(word(PLACE.beats)).toBe(last)
})

test('a level fires at its limit, and again only after it has fallen clearly below', () => {
  const { causes, take } = taker()
  let level = 50
  const read = (): number => {
    if (level < 0) throw new Error('no descriptor')
    return level
  }
  const watch = new LevelWatch({ trigger: 'memory', limit: 100, read, reason: (now) => `level=${now}` }, take)
  const at = (value: number): string[] => {
    level = value
    watch.look(watch.dueAt)
    return causes.map(({ reason }) => reason)
  }
  expect(at(99)).toEqual([])
  expect(at(100)).toEqual(['level=100'])
  expect(at(130)).toEqual(['level=100'])
  expect(at(95)).toEqual(['level=100'])
  expect(at(-1)).toEqual(['level=100'])
  expect(at(120)).toEqual(['level=100'])
  at(89)
  expect(at(101)).toEqual(['level=100', 'level=101'])
  expect(causes[0]).toMatchObject({ trigger: 'memory', thread: -1 })
})

describe('the watch for buffers that fill', () => {
  const record = new Uint8Array(32)

  test('fires when a thread has filled the share, counted from the last snapshot', () => {
    const arena = newArena()
    const { causes, take } = taker()
    const watch = new FillWatch(arena, 0.5, take)
    Atomics.store(arena.words, arena.placeWord(2, PLACE.threadId), 4)
    const writer = new Writer(arena.channel.buffer(2))
    const write = (count: number): number => {
      for (let i = 0; i < count; i += 1) {
        writer.write(record)
        watch.step()
      }
      return causes.length
    }
    // Two records a sub-buffer; a sub-buffer is full when the next one is begun.
    expect(write(4)).toBe(0)
    expect(write(1)).toBe(1)
    expect(causes[0]).toMatchObject({
      trigger: 'fill',
      thread: 4,
      reason: '50 % of the buffer of thread 4 (unknown) was filled since the last snapshot (fillShare=0.5)',
    })
    expect(write(3)).toBe(1)
    expect(write(1)).toBe(2)
    expect(write(3)).toBe(2)
    watch.snapshotTaken()
    expect(write(2)).toBe(2)
    expect(write(1)).toBe(3)
  })

  test('and in a buffer of all threads', () => {
    const arena = newArena(true)
    const { causes, take } = taker()
    const watch = new FillWatch(arena, 1, take)
    expect(arena.global).toBeDefined()
    const writer = new GlobalWriter(arena.global!, 1)
    for (let i = 0; i < 4 * 2; i += 1) writer.write(record)
    watch.step()
    expect(causes).toEqual([])
    writer.write(record)
    watch.step()
    expect(causes.map(({ thread, reason }) => [thread, reason])).toEqual([
      [-1, '100 % of the buffer of all threads was filled since the last snapshot (fillShare=1)'],
    ])
  })
})
