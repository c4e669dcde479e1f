import { describe, expect, test } from 'vitest'
import { BUFFER } from '@rchan/ring'
import { thisThread } from '@rchan/threads'
import { Arena, ARENA, CONTROL, Control, Cpu, PLACE, CONSUMER_STATE, type CpuClient } from '@rchan/runtime'
import { ENOUGH_LOOKS } from '@rchan/sync/look-again'
import { catchAccesses, type Observer } from '../../../test/stepping/accesses.js'
import { interrupt } from '../../../test/stepping/interrupted.js'
import { Machine } from './machine.ts'

const GEOMETRY = { mode: 'discard', subbufSize: 4096, subbufCount: 4, headerBytes: 0 } as const

/** An arena for a recording of this thread, or of another one. */
function arenaOf(generation: number, possibleCpus = 4, recorder = thisThread().identity): Arena {
  return Arena.create({ ...GEOMETRY, possibleCpus }, generation, recorder, new Uint8Array(0))
}

/** The client of a format without headers. */
const CLIENT = { subbufStart: () => undefined, subbufEnd: () => undefined }

function cpuWith(...arenas: Arena[]): { cpu: Cpu; control: Control } {
  return cpuOf(CLIENT, ...arenas)
}

function cpuOf(client: CpuClient, ...arenas: Arena[]): { cpu: Cpu; control: Control } {
  const control = Control.create()
  const cpu = new Cpu(control)
  cpu.setClient(client)
  for (const arena of arenas) {
    cpu.setArena(arena)
    control.enable(arena.generation)
  }
  return { cpu, control }
}

const owners = (arena: Arena): number[] =>
  Array.from({ length: arena.possibleCpus }, (_, cpu) => arena.words[arena.placeWord(cpu, PLACE.owner)])

/** Counts how often this thread sleeps while `run` runs; each sleep is over after `during`. */
function sleepsOf(run: () => void, during: () => void = () => undefined): number {
  let sleeps = 0
  const pass = (): void => {
    sleeps += 1
    during()
  }
  interrupt({ pass }, run)
  return sleeps
}

describe('a thread comes online', () => {
  test('in place 0 if it is the one that records, and in the first free one of the others if it is not', () => {
    for (const [recorder, place] of [
      [thisThread().identity, 0],
      [123, 1],
    ]) {
      const arena = arenaOf(1, 4, recorder)
      const { cpu } = cpuWith(arena)
      expect(cpu.online()).toBe(true)
      expect(cpu.number).toBe(place)
      expect(owners(arena).map((owner) => owner !== 0)).toEqual([0, 1, 2, 3].map((each) => each === place))
      expect(arena.words[arena.placeWord(place, PLACE.online)]).toBe(1)
      expect(arena.words[arena.placeWord(place, PLACE.threadId)]).toBe(thisThread().threadId)
      expect(arena.startTicks(place)).toBe(thisThread().startTicks)
      // Once is enough.
      expect(cpu.online()).toBe(true)
      expect(owners(arena).filter((owner) => owner !== 0).length).toBe(1)
    }
  })

  test('not at all while nothing is recorded, and nothing is counted then', () => {
    const { cpu, control } = cpuWith()
    expect(cpu.online()).toBe(false)
    expect(control.noBuffer).toBe(0)
    expect(cpu.discarded).toBe(0)
  })

  test('in one place only, however often an exception cuts it off on the way', () => {
    // A recursion that traces until the stack is full used up all places: each try claimed one
    // more.
    const arena = arenaOf(1)
    let throws = 5
    const client = {
      subbufStart() {
        throws -= 1
        if (throws >= 0) throw new RangeError('made by the test: the stack is full')
      },
      subbufEnd() {},
    }
    const { cpu } = cpuOf(client, arena)
    for (let i = 0; i < 5; i += 1) expect(() => cpu.online()).toThrow(/made by the test/)
    expect(cpu.view.generation).toBe(-1)
    expect(cpu.online()).toBe(true)
    expect(owners(arena).filter((owner) => owner !== 0).length).toBe(1)
    expect(cpu.control.noBuffer).toBe(0)
  })

  test('not before its client is known, who makes its sub-buffers readable, and what it traces till then is counted', () => {
    const control = Control.create()
    const cpu = new Cpu(control)
    const arena = arenaOf(1)
    cpu.setArena(arena)
    control.enable(1)
    expect(cpu.online()).toBe(false)
    expect(control.noBuffer).toBe(1)
    expect(owners(arena)).toEqual([0, 0, 0, 0])
    cpu.setClient(CLIENT)
    expect(cpu.online()).toBe(true)
  })

  test('in the next recording at once, though it found no place in the one before', () => {
    const control = Control.create()
    const cpu = new Cpu(control)
    cpu.setClient(CLIENT)
    const small = arenaOf(1, 1, 123)
    cpu.setArena(small)
    control.enable(1)
    for (let i = 0; i < 10; i += 1) expect(cpu.online()).toBe(false)
    expect(control.noBuffer).toBe(10)
    const arena = arenaOf(2, 2, 123)
    cpu.setArena(arena)
    control.enable(2)
    expect(cpu.online()).toBe(true)
    expect(control.noBuffer).toBe(10)
  })

  test('when it found no place, again after some records, and every record until then is counted', () => {
    const arena = arenaOf(1, 2, 123)
    arena.words[arena.placeWord(1, PLACE.owner)] = 999
    arena.words[ARENA.state >> 2] = CONSUMER_STATE.running
    const { cpu, control } = cpuWith(arena)
    expect(sleepsOf(() => expect(cpu.online()).toBe(false))).toBeGreaterThan(0)
    expect(arena.words[ARENA.wanted >> 2]).toBe(1)
    Atomics.store(arena.words, arena.placeWord(1, PLACE.owner), 0)
    let records = 1
    expect(
      sleepsOf(() => {
        while (!cpu.online()) records += 1
      }),
    ).toBe(0)
    expect(records).toBeLessThan(10_000)
    expect(control.noBuffer).toBe(records)
  })

  test('in a place that had an owner before: it is told apart by the generation', () => {
    const arena = arenaOf(1)
    arena.words[arena.placeWord(0, PLACE.generation)] = 7
    const { cpu } = cpuWith(arena)
    cpu.online()
    expect(cpu.placeGeneration).toBe(7)
  })
})

describe('a thread that finds all places taken', () => {
  /**
   * Two places, both taken, and a thread that wants one; the consumer takes a step at each of its
   * sleeps.
   */
  function fullHouse(): {
    machine: Machine
    cpu: Cpu
    sleeps: (run: () => void, step?: () => void) => number
  } {
    const machine = new Machine({ possibleCpus: 2 })
    machine.arena.words[ARENA.state >> 2] = CONSUMER_STATE.running
    machine.thread(0, 7)
    machine.thread(1, 8).write(1)
    const cpu = new Cpu(machine.control)
    cpu.setClient(CLIENT)
    cpu.setArena(machine.arena)
    machine.control.enable(1)
    const sleeps = (run: () => void, step: () => void = () => void machine.consumer.doWork()): number =>
      sleepsOf(run, step)
    return { machine, cpu, sleeps }
  }
  const looksAt = (machine: Machine): number => machine.asked.filter(([identity]) => identity === 8).length

  test('gets that of one that has ended, though the first looks found it living', () => {
    const { machine, cpu, sleeps } = fullHouse()
    machine.onLook = () => void (looksAt(machine) === 30 && machine.dead.add(8))
    sleeps(() => expect(cpu.online()).toBe(true))
    expect([cpu.number, cpu.placeGeneration, machine.control.noBuffer]).toEqual([1, 1, 0])
    // Without a flush, the records that were there are delivered.
    expect(machine.content(1)?.numbers).toEqual([0])
  })

  test('is told that all live after so many looks, and does not wait again', () => {
    const { machine, cpu, sleeps } = fullHouse()
    sleeps(() => expect(cpu.online()).toBe(false))
    expect(looksAt(machine)).toBe(ENOUGH_LOOKS)
    expect(sleeps(() => cpu.online())).toBe(0)
    expect(machine.control.noBuffer).toBe(2)
  })

  test('does not wait where the only place is that of the thread that records', () => {
    const machine = new Machine({ possibleCpus: 1 })
    machine.arena.words[ARENA.state >> 2] = CONSUMER_STATE.running
    machine.thread(0, 7)
    const cpu = new Cpu(machine.control)
    cpu.setClient(CLIENT)
    cpu.setArena(machine.arena)
    machine.control.enable(1)
    expect(sleepsOf(() => expect(cpu.online()).toBe(false))).toBe(0)
    expect(machine.control.noBuffer).toBe(1)
  })

  test('waits on while a dead one’s place is about to be free', () => {
    const { machine, cpu, sleeps } = fullHouse()
    machine.dead.add(8)
    machine.failPrepare = new Error('made by the test: the disk is full')
    machine.onLook = () => {
      if (looksAt(machine) < 2 * ENOUGH_LOOKS) return
      machine.failPrepare = undefined
      machine.timeMs += 1000
    }
    sleeps(() => expect(cpu.online()).toBe(true))
    expect(looksAt(machine)).toBeGreaterThanOrEqual(2 * ENOUGH_LOOKS)
    expect(machine.control.noBuffer).toBe(0)
  })

  test('gives up on a consumer that does not get to it, and when the recording ends', () => {
    const { cpu, sleeps } = fullHouse()
    const slept = sleeps(
      () => expect(cpu.online()).toBe(false),
      () => undefined,
    )
    // A slice of which the clock leaves a rest takes some sleeps more.
    expect(slept).toBeGreaterThanOrEqual(1000)
    expect(slept).toBeLessThanOrEqual(5000)
    const ended = fullHouse()
    const stop = () => ended.machine.control.disable(1)
    expect(ended.sleeps(() => expect(ended.cpu.online()).toBe(false), stop)).toBeLessThanOrEqual(2)
    expect(ended.machine.control.noBuffer).toBe(0)
  })

  test('does not wait where there is no consumer', () => {
    const { machine, cpu, sleeps } = fullHouse()
    machine.arena.words[ARENA.state >> 2] = CONSUMER_STATE.starting
    expect(sleeps(() => expect(cpu.online()).toBe(false))).toBe(0)
  })
})

describe('a thread without the arena does not wait', () => {
  test.skipIf(process.platform !== 'linux')(
    'when the thread that records is dead: nobody would answer',
    () => {
      const { cpu, control } = cpuWith()
      control.words[CONTROL.recorder >> 2] = 2 ** 31 - 1
      control.enable(1)
      expect(
        sleepsOf(() => {
          for (let i = 0; i < 10_000; i += 1) expect(cpu.online()).toBe(false)
        }),
      ).toBe(0)
      // Its recording is over: it is switched off for all.
      expect(control.generation).toBe(0)
      expect(control.noBuffer).toBe(0)
      expect(control.words[CONTROL.asked >> 2]).toBe(0)
    },
  )

  test('when recording was switched off just before it asked', () => {
    const { cpu, control } = cpuWith()
    control.words[CONTROL.recorder >> 2] = thisThread().identity
    control.enable(1)
    const names: string[] = []
    const observer: Observer = (access) => {
      names.push(access.name)
      if (access.name === 'add') control.enable(0)
      return access.perform()
    }
    catchAccesses(() => expect(cpu.online()).toBe(false), observer)
    expect(names).toContain('add')
    expect(names).not.toContain('wait')
    // Nothing is recorded any more, so nothing was lost.
    expect(control.noBuffer).toBe(0)
  })
})

test('a record that needs a new sub-buffer after the recording is not written, and counted', () => {
  const arena = arenaOf(1)
  const { cpu, control } = cpuWith(arena)
  cpu.online()
  control.enable(0)
  expect(cpu.writer && cpu.makeRoom(cpu.writer, 8, 0)).toBe(-1)
  expect(cpu.discarded).toBe(1)
})

describe('a view that is shut', () => {
  test('is opened by the slow path of the next record, which is placed where it fits, without a switch', () => {
    const arena = arenaOf(1)
    const { cpu } = cpuWith(arena)
    cpu.online()
    const { view, writer } = cpu
    if (writer === undefined) throw new Error('the thread is not online')
    writer.write(new Uint8Array(24))
    cpu.shutView()
    expect(view.limit).toBe(-1)
    expect(cpu.makeRoom(writer, 8, 24)).toBe(24)
    expect(view.limit).toBe(4096)
    expect(Atomics.load(writer.buffer.counters, BUFFER.produced >> 3)).toBe(0n)
    expect(cpu.discarded).toBe(0)
    // Opened again, a call for room means that there is none.
    expect(cpu.makeRoom(writer, 8, 24)).toBe(4096)
  })

  test('hides no full sub-buffer', () => {
    const { cpu } = cpuWith(arenaOf(1))
    cpu.online()
    const { writer } = cpu
    if (writer === undefined) throw new Error('the thread is not online')
    writer.write(new Uint8Array(4090))
    cpu.shutView()
    expect(cpu.makeRoom(writer, 8, 4096)).toBe(4096)
    expect(Atomics.load(writer.buffer.counters, BUFFER.produced >> 3)).toBe(1n)
  })

  test('stays without room when this thread has left its recording meanwhile', () => {
    const { cpu, control } = cpuWith(arenaOf(1))
    cpu.online()
    const { view } = cpu
    cpu.shutView()
    cpu.setArena(arenaOf(2))
    control.enable(2)
    expect(cpu.online()).toBe(true)
    cpu.openView()
    expect(view.limit).toBe(-1)
    expect(cpu.view.limit).toBe(4096)
  })
})

test('the thread that recorded lets go of the arena', () => {
  const { cpu } = cpuWith(arenaOf(1))
  cpu.online()
  cpu.release()
  expect([cpu.arena, cpu.writer, cpu.view.generation, cpu.view.limit]).toEqual([undefined, undefined, -1, -1])
  expect(cpu.view.u8.byteLength).toBe(0)
})

describe('an arena', () => {
  test('is found by whoever has its memory, with all that was put in', () => {
    const arena = Arena.create({ ...GEOMETRY, possibleCpus: 3 }, 9, 77, new Uint8Array([1, 2, 3]))
    const other = Arena.attach(arena.memory)
    expect([other.generation, other.possibleCpus, other.words[ARENA.recorder >> 2]]).toEqual([9, 3, 77])
    expect([...other.client.subarray(0, 4)]).toEqual([1, 2, 3, 0])
    expect(other.channel.buffer(2).geometry).toEqual(GEOMETRY)
  })

  test('is not found in other memory', () => {
    for (const bytes of [0, 64, 4095, 4096, 65536]) {
      expect(() => Arena.attach(new SharedArrayBuffer(bytes)), `${bytes}`).toThrow(RangeError)
    }
    const arena = arenaOf(1)
    arena.words[ARENA.abi >> 2] += 1
    expect(() => Arena.attach(arena.memory)).toThrow(/abi/)
  })

  test('that is too large says how large, and what to make smaller', () => {
    expect(() =>
      Arena.create(
        { ...GEOMETRY, subbufSize: 2 ** 20, subbufCount: 1024, possibleCpus: 4096 },
        1,
        1,
        new Uint8Array(0),
      ),
    ).toThrow(/4096 CPUs of 1073741824 bytes .*make bufferSize or possibleCpus smaller/)
  })
})
