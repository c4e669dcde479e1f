import * as fc from 'fast-check'
import { request, WANT } from '../dist/request.js'
import { existsSync, readdirSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { ARENA, CONTROL, PLACE } from '@rchan/runtime'
import { freshFolder, fsError, replaceFs } from './faults.ts'
import { FLUSH_MS, GRACE_MS, Machine, numbers } from './machine.ts'
import { HEADER_BYTES } from './packets.ts'

describe('delivery', () => {
  test('a complete sub-buffer is delivered at the next step, whatever the time', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    machine.consumer.doWork()
    expect(machine.content(0)).toBeUndefined()
    thread.write(5)
    expect(machine.consumer.doWork()).toBe(0)
    expect(machine.content(0)?.numbers).toEqual(numbers(4))
  })

  test('a part of a sub-buffer is delivered once an interval, when its sample has aged, and not before', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(2)
    machine.pass(FLUSH_MS + GRACE_MS - 1)
    expect(machine.content(0)).toBeUndefined()
    // Written after the sample: not old enough for this delivery.
    thread.write(1)
    machine.pass(1)
    expect(machine.content(0)?.numbers).toEqual([0, 1])
    machine.pass(FLUSH_MS - 1)
    expect(machine.content(0)?.numbers).toEqual([0, 1])
    machine.pass(1)
    expect(machine.content(0)?.numbers).toEqual([0, 1, 2])
  })

  test('nothing is delivered twice: a sub-buffer of which a part was delivered is completed by its rest', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(3)
    machine.pass(FLUSH_MS + GRACE_MS)
    thread.write(6)
    machine.consumer.doWork()
    machine.pass(FLUSH_MS + GRACE_MS)
    expect(machine.content(0)).toMatchObject({ heads: 1, numbers: numbers(9) })
  })

  test('a step touches the memory that the writer comes to next, and none of a thread that writes little', () => {
    const machine = new Machine({ records: 8192 - HEADER_BYTES / 8, subbufCount: 8, possibleCpus: 2 })
    const [busy, idle] = [machine.thread(0, 7), machine.thread(1, 8)]
    busy.write(10_000)
    idle.write(100)
    const touched = vi.spyOn(Atomics, 'compareExchange')
    machine.consumer.doWork()
    const memory = machine.arena.channel.buffer(0).data
    const places = touched.mock.calls
      .filter(([, , ...values]) => String(values) === '0,0')
      .map(([words, index]) => words.byteOffset + 4 * index - memory.byteOffset)
    touched.mockRestore()
    // 80 KB are written: about as much again is touched, apart from what is near.
    expect(places.length).toBeGreaterThan(10)
    expect(Math.min(...places)).toBeGreaterThan(80_000)
    expect(Math.max(...places)).toBeLessThan(165_000)
  })

  test('a thread that writes nothing costs no file', () => {
    const machine = new Machine()
    machine.thread(0, 7)
    machine.pass(3 * FLUSH_MS)
    expect(machine.content(0)).toBeUndefined()
    const { cpus } = machine.consumer.finish()
    expect(cpus).toEqual([])
  })

  test('a writer that is as fast as the disk starves nobody: others are drained, answered and flushed meanwhile', () => {
    const machine = new Machine({ possibleCpus: 2 })
    const fast = machine.thread(0, 7)
    const slow = machine.thread(1, 8)
    let left = 1000
    machine.onSeal = () => {
      // For each sub-buffer that is taken, the next is complete already.
      if (left > 0) fast.write(4)
      left -= 1
    }
    fast.write(8)
    slow.write(6)
    Atomics.store(machine.control.words, CONTROL.asked >> 2, 1)
    machine.consumer.doWork()
    expect(left).toBeGreaterThan(900)
    expect(machine.content(1)?.numbers).toEqual(numbers(4))
    expect(machine.posts).toBe(1)
    machine.pass(FLUSH_MS + GRACE_MS)
    expect(machine.content(1)?.numbers).toEqual(numbers(6))
  })

  test('the time until the next call is at most until the next flush, 0 when there was work, and never negative', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    expect(machine.consumer.doWork()).toBe(FLUSH_MS)
    machine.timeMs += 30
    expect(machine.consumer.doWork()).toBe(FLUSH_MS - 30)
    thread.write(5)
    expect(machine.consumer.doWork()).toBe(0)
    machine.timeMs += 10_000
    expect(machine.consumer.doWork()).toBe(GRACE_MS)
    machine.timeMs += 10_000
    expect(machine.consumer.doWork()).toBeGreaterThanOrEqual(0)
    expect(machine.content(0)?.numbers).toEqual(numbers(5))
  })

  test('for any history of writes, steps, deaths and failing writes: each record once, in order, or counted', () => {
    const cpu = fc.integer({ min: 0, max: 1 })
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ write: fc.integer({ min: 1, max: 12 }), cpu }) },
      { weight: 3, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 130 }) }) },
      fc.record({ die: cpu }),
      fc.record({ fail: fc.boolean() }),
    )
    fc.assert(
      fc.property(
        fc.constantFrom('discard', 'overwrite'),
        fc.array(step, { maxLength: 40 }),
        (mode, steps) => {
          const folder = freshFolder()
          const machine = new Machine({ mode, subbufCount: 3, folder })
          let identity = 7
          const threads = [machine.thread(0, identity), machine.thread(1, ++identity)]
          const owners = [7, 8]
          const attempts = [0, 0]
          for (const each of steps) {
            if ('write' in each) {
              if (machine.dead.has(owners[each.cpu])) {
                // The next thread, if the place of the dead one is free by now.
                if (machine.place(each.cpu, PLACE.owner) !== 0) continue
                owners[each.cpu] = ++identity
                threads[each.cpu] = machine.thread(each.cpu, identity, identity, attempts[each.cpu])
              }
              attempts[each.cpu] += each.write
              threads[each.cpu].write(each.write)
            } else if ('die' in each) machine.dead.add(owners[each.die])
            else if ('fail' in each) machine.failPrepare = each.fail ? fsError('ENOSPC') : undefined
            else machine.pass(each.pass)
          }
          const failing = machine.failPrepare !== undefined
          const { cpus } = machine.consumer.finish()
          for (const number of [0, 1]) {
            const found = machine.content(number)?.numbers ?? []
            expect(found).toEqual([...new Set(found)].sort((x, y) => x - y))
            const totals = cpus.find((one) => one.cpu === number)
            const lost = (totals?.discarded.full ?? 0) + (totals?.overwritten ?? 0) + (totals?.unwritten ?? 0)
            expect(found.length + lost).toBe(attempts[number])
            expect(totals?.events ?? 0).toBe(found.length)
            expect(totals?.torn ?? 0).toBe(0)
            if (failing) continue
            expect(totals?.unwritten ?? 0).toBe(0)
            expect(machine.content(number)?.lost ?? 0).toBe(lost)
            if (mode === 'overwrite' && attempts[number] > 0) expect(found.at(-1)).toBe(attempts[number] - 1)
          }
          rmSync(folder, { recursive: true })
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('death', () => {
  test('the buffer of a dead thread is drained to its newest end, and its place is free, one generation on', () => {
    const machine = new Machine()
    const thread = machine.thread(1, 7, 3)
    thread.write(6)
    machine.dead.add(7)
    machine.pass(FLUSH_MS)
    expect(machine.content(1)?.numbers).toEqual(numbers(6))
    expect(machine.place(1, PLACE.owner)).toBe(0)
    expect(machine.place(1, PLACE.online)).toBe(0)
    expect(machine.place(1, PLACE.generation)).toBe(1)
    expect(machine.arena.startTicks(1)).toBe(0)
    expect(machine.arena.words[ARENA.freed >> 2]).toBe(1)
  })

  test('the next thread in a place goes on behind the last, and both are told apart', () => {
    const machine = new Machine()
    for (let i = 0; i < 5; i += 1) {
      const thread = machine.thread(1, 7 + i, 30 + i, i * 10)
      expect(thread.write(10)).toBe(10)
      machine.dead.add(7 + i)
      machine.pass(FLUSH_MS)
    }
    const { cpus } = machine.consumer.finish()
    expect(machine.content(1)).toEqual({
      heads: 1,
      numbers: numbers(50),
      generations: [0, 1, 2, 3, 4],
      lost: 0,
    })
    expect(cpus).toMatchObject([
      {
        cpu: 1,
        events: 50,
        torn: 0,
        threads: [0, 1, 2, 3, 4].map((generation) => ({ generation, threadId: 30 + generation })),
      },
    ])
  })

  test('a thread that found no place has the dead looked for at once, without the interval', () => {
    const machine = new Machine()
    machine.thread(1, 7).write(1)
    machine.consumer.doWork()
    machine.dead.add(7)
    machine.consumer.doWork()
    expect(machine.place(1, PLACE.owner)).toBe(7)
    request(machine.arena, machine.control, WANT.places)
    machine.consumer.doWork()
    expect(machine.place(1, PLACE.owner)).toBe(0)
    expect(machine.arena.words[ARENA.wanted >> 2]).toBe(0)
    expect(machine.content(1)?.numbers).toEqual([0])
  })

  test('a death of which nothing is left is found at the quiet look, any other at the flush', () => {
    const machine = new Machine()
    machine.played.quietLookMs = 10 * FLUSH_MS
    machine.thread(1, 7)
    const writer = machine.thread(2, 8)
    machine.pass(2 * FLUSH_MS)
    machine.dead.add(7)
    machine.pass(2 * FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(7)
    machine.pass(8 * FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(0)
    writer.write(1)
    machine.dead.add(8)
    machine.pass(FLUSH_MS)
    expect(machine.place(2, PLACE.owner)).toBe(0)
    expect(machine.content(2)?.numbers).toEqual([0])
  })

  test('a thread that was stopped when it was online, and had not said so, leaves a free place', () => {
    const machine = new Machine()
    machine.thread(1, 7)
    Atomics.sub(machine.arena.words, ARENA.came >> 2, 1)
    machine.dead.add(7)
    machine.pass(FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(0)
    machine.thread(1, 10).write(5)
    machine.consumer.finish()
    expect(machine.content(1)).toMatchObject({ numbers: numbers(5), generations: [1] })
  })

  test('the thread that records is not looked at', () => {
    const machine = new Machine()
    machine.arena.words[ARENA.recorder >> 2] = 7
    machine.thread(1, 7)
    machine.thread(2, 8)
    machine.pass(2 * FLUSH_MS)
    expect(new Set(machine.asked.map(([identity]) => identity))).toEqual(new Set([8]))
  })

  test('a place that was claimed by a thread that died before it came online is freed, with or without start time', () => {
    for (const ticks of [true, false]) {
      const machine = new Machine()
      machine.claim(2, 9, 4)
      if (!ticks) machine.arena.setStartTicks(2, 0)
      machine.pass(FLUSH_MS)
      expect(machine.place(2, PLACE.owner)).toBe(9)
      expect(machine.asked).toEqual([[9, ticks ? 90 : 0]])
      machine.dead.add(9)
      machine.pass(FLUSH_MS)
      expect(machine.place(2, PLACE.owner)).toBe(0)
      expect(machine.content(2)).toBeUndefined()
      machine.thread(2, 10).write(3)
      machine.consumer.finish()
      expect(machine.content(2)).toMatchObject({ numbers: [0, 1, 2], generations: [1] })
    }
  })

  test('a thread that died over starting its first sub-buffer leaves a place that the next can use', () => {
    const machine = new Machine()
    machine.thread(1, 6).write(5)
    machine.dead.add(6)
    machine.pass(FLUSH_MS)
    machine.claim(1, 9, 4)
    // Its writer exists, but it never stored `online`.
    void machine.arena.channel.writer(1)
    machine.dead.add(9)
    machine.pass(2 * FLUSH_MS)
    expect(machine.place(1, PLACE.generation)).toBe(2)
    machine.thread(1, 10, 10, 5).write(5)
    machine.consumer.finish()
    expect(machine.content(1)).toMatchObject({ numbers: numbers(10), generations: [0, 2] })
  })

  test('a thread that lives keeps its place for ever, quiet or not', () => {
    const machine = new Machine()
    machine.thread(1, 7)
    machine.pass(20 * FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(7)
    expect(machine.place(1, PLACE.generation)).toBe(0)
  })

  test('where death can’t be proven, the word of the exit event is asked for, and cleared for the next thread', () => {
    const machine = new Machine()
    machine.thread(1, -5, 4).write(2)
    machine.pass(2 * FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(-5)
    machine.setPlace(1, PLACE.exited, 1)
    machine.pass(FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(0)
    expect(machine.place(1, PLACE.exited)).toBe(0)
    machine.thread(1, -6, 5, 2).write(2)
    machine.pass(2 * FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(-6)
    expect(machine.content(1)).toMatchObject({ numbers: numbers(4), generations: [0, 1] })
  })

  test('the place of a dead thread is not free as long as its records can’t be written', () => {
    const machine = new Machine()
    machine.thread(1, 7).write(6)
    machine.dead.add(7)
    machine.failPrepare = fsError('ENOSPC')
    machine.pass(3 * FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(7)
    machine.failPrepare = undefined
    machine.pass(FLUSH_MS)
    expect(machine.place(1, PLACE.owner)).toBe(0)
    expect(machine.content(1)?.numbers).toEqual(numbers(6))
  })

  test('what a thread counted and did not finish is torn, and the place goes on behind it', () => {
    const machine = new Machine()
    const thread = machine.thread(1, 7)
    thread.write(2)
    // Cut off between the two last stores of a record: counted, but not there.
    const { words } = thread.writer.view
    words[thread.writer.view.end + 1] += 1
    machine.dead.add(7)
    machine.pass(FLUSH_MS)
    machine.thread(1, 8, 8, 2).write(2)
    const { cpus } = machine.consumer.finish()
    expect(cpus).toMatchObject([{ events: 4, torn: 1 }])
    expect(machine.content(1)).toMatchObject({ numbers: numbers(4), lost: 1 })
  })
})

describe('a write that fails', () => {
  const failures: [what: string, fail: (machine: Machine) => () => void][] = [
    [
      'the disk is full',
      () =>
        replaceFs('writevSync', (real) => (fd: number, pieces: Uint8Array[], at: number) => {
          if (at > 0) throw fsError('ENOSPC')
          return real(fd, pieces, at)
        }),
    ],
    [
      'the disk is full after a part of each packet',
      () => {
        let call = 0
        return replaceFs('writevSync', (real) => (fd: number, pieces: Uint8Array[], at: number) => {
          call += 1
          if (call % 2 === 0) throw fsError('ENOSPC')
          return real(fd, [pieces[0].subarray(0, 5)], at)
        })
      },
    ],
    [
      'no file can be opened',
      () =>
        replaceFs('openSync', () => () => {
          throw fsError('EMFILE')
        }),
    ],
    [
      'the metadata can’t be written',
      (machine) => {
        machine.failPrepare = fsError('EROFS')
        return () => {
          machine.failPrepare = undefined
        }
      },
    ],
    [
      'the format throws',
      (machine) => {
        machine.onSeal = () => {
          throw new Error('made by the test: seal')
        }
        return () => {
          machine.onSeal = () => undefined
        }
      },
    ],
  ]

  for (const [what, fail] of failures) {
    test(`because ${what} leaves the records where they are; at a later flush each is delivered once`, () => {
      const machine = new Machine({ subbufCount: 8 })
      const thread = machine.thread(0, 7)
      const other = machine.thread(1, 8)
      const repair = fail(machine)
      thread.write(6)
      other.write(1)
      machine.pass(2 * FLUSH_MS + GRACE_MS)
      thread.write(5)
      machine.pass(2 * FLUSH_MS)
      expect(machine.content(0)?.numbers ?? []).toEqual([])
      repair()
      machine.pass(FLUSH_MS + GRACE_MS)
      expect(machine.content(0)).toMatchObject({ heads: 1, numbers: numbers(11) })
      expect(machine.content(1)).toMatchObject({ heads: 1, numbers: numbers(1) })
      const { error, cpus } = machine.consumer.finish()
      expect(error).toMatch(/made by the test/)
      expect(cpus).toMatchObject([
        { events: 11, unwritten: 0 },
        { events: 1, unwritten: 0 },
      ])
    })

    test(`because ${what} up to the end is counted record by record`, () => {
      const machine = new Machine({ subbufCount: 3 })
      const thread = machine.thread(0, 7)
      const repair = fail(machine)
      // Two complete sub-buffers, a part of the third; then the room is used up.
      thread.write(10)
      machine.pass(2 * FLUSH_MS)
      thread.write(5)
      const { cpus, error } = machine.consumer.finish()
      repair()
      expect(error).toMatch(/made by the test/)
      expect(machine.content(0)?.numbers ?? []).toEqual([])
      expect(cpus).toMatchObject([
        { cpu: 0, events: 0, unwritten: 12, discarded: { full: 3 }, overwritten: 0 },
      ])
    })
  }

  test('is tried again at each flush, not at each step', () => {
    const machine = new Machine()
    let tries = 0
    machine.onSeal = () => {
      tries += 1
      throw new Error('made by the test')
    }
    machine.thread(0, 7).write(6)
    machine.consumer.doWork()
    expect(tries).toBe(1)
    machine.pass(FLUSH_MS - 1)
    expect(tries).toBe(1)
    machine.pass(3 * FLUSH_MS)
    expect(tries).toBeLessThanOrEqual(5)
    expect(tries).toBeGreaterThan(2)
  })

  test('because the folder is gone before the CPU’s file was made is an error that the totals tell', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    rmSync(machine.folder, { recursive: true })
    thread.write(6)
    machine.pass(FLUSH_MS + GRACE_MS)
    const { error, cpus } = machine.consumer.finish()
    expect(error).toMatch(/ENOENT/)
    expect(cpus).toMatchObject([{ events: 0, unwritten: 6 }])
    expect(existsSync(machine.folder)).toBe(false)
  })

  test('of one CPU keeps nothing of the others back', () => {
    const machine = new Machine()
    const threads = [machine.thread(0, 7), machine.thread(1, 8)]
    replaceFs('linkSync', (real) => (from: string, to: string) => {
      if (to.endsWith('cpu_0')) throw fsError('EIO')
      real(from, to)
    })
    for (const thread of threads) thread.write(6)
    machine.pass(FLUSH_MS + GRACE_MS)
    const { cpus } = machine.consumer.finish()
    expect(machine.content(1)).toMatchObject({ numbers: numbers(6), lost: 0 })
    expect(cpus).toMatchObject([
      { cpu: 0, events: 0, unwritten: 6 },
      { cpu: 1, events: 6, unwritten: 0 },
    ])
  })
})

describe('files that a recording in memory gets late', () => {
  const FULL = 'ENOSPC: the disk is full'
  const failNext = (machine: Machine, times: number): void => {
    machine.onSeal = () => {
      if (times <= 0) return
      times -= 1
      throw Object.assign(new Error(FULL), { syscall: 'write' })
    }
  }

  test('are undone if they take nothing, and what is kept stays, also of dead threads', () => {
    const machine = new Machine({ inMemory: true })
    machine.thread(0, 7).write(6)
    machine.dead.add(7)
    machine.pass(FLUSH_MS)
    const next = machine.thread(0, 8, 8, 6)
    next.write(1)
    const other = machine.thread(1, 9)
    other.write(5)
    failNext(machine, 4)
    for (let time = 1; time <= 2; time += 1) {
      machine.setUpFiles()
      machine.pass(2 * FLUSH_MS)
      // As the thread that records does.
      for (const name of readdirSync(machine.folder)) rmSync(join(machine.folder, name))
      expect(machine.setUps).toEqual(
        Array.from(
          { length: time },
          () => `${FULL}; nothing of it is left, and the recording stays in memory`,
        ),
      )
    }
    expect(machine.troubles).toEqual([])
    next.write(2)
    machine.setUpFiles()
    machine.pass(2 * FLUSH_MS)
    expect(machine.setUps.at(-1)).toBe('')
    const { events, unwritten, error } = machine.consumer.finish()
    expect([events, unwritten, error]).toEqual([14, 0, undefined])
    expect(machine.content(0)).toMatchObject({ numbers: numbers(9), generations: [0, 1] })
    expect(machine.content(1)?.numbers).toEqual(numbers(5))
  })

  test('stay if they took something, and the rest comes later', () => {
    const machine = new Machine({ inMemory: true })
    failNext(machine, 1)
    machine.thread(0, 7).write(5)
    machine.thread(1, 8).write(5)
    machine.setUpFiles()
    machine.consumer.doWork()
    expect(machine.setUps).toEqual([''])
    expect(machine.troubles).toEqual([FULL])
    machine.pass(2 * FLUSH_MS)
    expect(machine.consumer.finish()).toMatchObject({ events: 10, unwritten: 0, error: FULL })
    for (const cpu of [0, 1]) expect(machine.content(cpu)?.numbers).toEqual(numbers(5))
  })

  test('are no files while there is nothing to write, and a disk that fails then is one that fails later', () => {
    const machine = new Machine({ inMemory: true })
    failNext(machine, 1)
    machine.setUpFiles()
    machine.consumer.doWork()
    expect(machine.setUps).toEqual([''])
    machine.thread(0, 7).write(5)
    machine.pass(2 * FLUSH_MS)
    expect(machine.troubles).toEqual([FULL])
    expect(machine.consumer.finish()).toMatchObject({ events: 5, unwritten: 0 })
  })
})

describe('what nobody can read', () => {
  test('is not in the trace, whatever was written: metadata that is gone, a folder that was moved, a stream that was cut', () => {
    const spoil: ((machine: Machine) => void)[] = [
      (machine) => (machine.sinkProblem = 'metadata was removed'),
      ({ folder }) => renameSync(folder, `${folder} moved`),
      ({ folder }) => truncateSync(join(folder, 'cpu_0'), 40),
      ({ folder }) => rmSync(join(folder, 'cpu_0')),
    ]
    for (const each of spoil) {
      const machine = new Machine()
      machine.thread(0, 7).write(6)
      machine.pass(FLUSH_MS + GRACE_MS)
      each(machine)
      const { events, unwritten, cpus, error } = machine.consumer.finish()
      expect({ events, unwritten, cpus }).toMatchObject({
        events: 0,
        unwritten: 6,
        cpus: [{ events: 0, unwritten: 6 }],
      })
      expect(error).toMatch(/removed|changed/)
      rmSync(`${machine.folder} moved`, { recursive: true, force: true })
    }
  })

  test('of one stream leaves the others', () => {
    const machine = new Machine()
    machine.thread(0, 7).write(6)
    machine.thread(1, 8).write(5)
    machine.pass(FLUSH_MS + GRACE_MS)
    rmSync(join(machine.folder, 'cpu_1'))
    const { events, unwritten, error } = machine.consumer.finish()
    expect({ events, unwritten }).toEqual({ events: 6, unwritten: 5 })
    expect(error).toMatch(/cpu_1 was removed/)
  })
})

describe('the end', () => {
  test('delivers what was written, also by threads that came online last and by those that nobody saw before', () => {
    const machine = new Machine()
    machine.thread(0, 7).write(6)
    machine.thread(2, 8).write(1)
    const { cpus, noBuffer, error } = machine.consumer.finish()
    expect(machine.content(0)).toMatchObject({ numbers: numbers(6), lost: 0 })
    expect(machine.content(2)).toMatchObject({ numbers: [0], lost: 0 })
    expect(cpus.map(({ cpu, events }) => [cpu, events])).toEqual([
      [0, 6],
      [2, 1],
    ])
    expect([noBuffer, error]).toEqual([0, undefined])
  })

  test('delivers nothing that has not aged, and so sleeps between the sample and the delivery', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    thread.write(1)
    let sleeps = 0
    machine.onSleep = () => {
      sleeps += 1
      // A record whose call had not returned yet: a later round takes it.
      if (sleeps === 2) thread.write(1)
    }
    machine.consumer.finish()
    expect(sleeps).toBe(3)
    expect(machine.content(0)?.numbers).toEqual([0, 1])
  })

  test('comes, even if a thread never stops writing', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    let written = 0
    machine.onSleep = () => {
      thread.write(3)
      written += 3
    }
    const { cpus } = machine.consumer.finish()
    const found = machine.content(0)?.numbers ?? []
    expect(found).toEqual(numbers(found.length))
    // A record that came too late for the last look is counted.
    expect(cpus).toMatchObject([{ events: found.length, unwritten: written - found.length }])
  })

  test('drains a fast writer to its end, however many sub-buffers that are', () => {
    const machine = new Machine()
    const thread = machine.thread(0, 7)
    let left = 100
    machine.onSeal = () => {
      if (left > 0) thread.write(4)
      left -= 1
    }
    thread.write(8)
    const { cpus } = machine.consumer.finish()
    expect(machine.content(0)?.numbers).toEqual(numbers(408))
    expect(cpus).toMatchObject([{ events: 408, discarded: { full: 0 } }])
  })

  test('tells of records without a place once, in the last packet of the first stream that takes it', () => {
    const machine = new Machine()
    machine.thread(0, 7).write(1)
    machine.thread(1, 8).write(1)
    for (let i = 0; i < 5; i += 1) machine.control.countNoBuffer()
    const { noBuffer } = machine.consumer.finish()
    expect(noBuffer).toBe(5)
    expect([machine.content(0)?.lost, machine.content(1)?.lost]).toEqual([5, 0])
  })

  test('tells of records without a place when nobody wrote anything', () => {
    const machine = new Machine()
    machine.thread(0, 7)
    machine.control.countNoBuffer()
    const { noBuffer } = machine.consumer.finish()
    expect(noBuffer).toBe(1)
    expect(machine.content(0)).toMatchObject({ numbers: [], lost: 1 })
  })

  test('tells of what was refused after the last delivery, and of a CPU on which everything was refused', () => {
    const machine = new Machine({ subbufCount: 1 })
    const full = machine.thread(0, 7)
    full.write(7)
    const bad = machine.thread(1, 8)
    bad.writer.discardBad()
    const { cpus } = machine.consumer.finish()
    expect(machine.content(0)).toMatchObject({ numbers: numbers(4), lost: 3 })
    expect(machine.content(1)).toMatchObject({ numbers: [], lost: 1 })
    expect(cpus).toMatchObject([{ discarded: { full: 3 } }, { events: 0, discarded: { bad: 1 } }])
  })

  test('tells of what was overwritten', () => {
    const machine = new Machine({ mode: 'overwrite', subbufCount: 2 })
    const thread = machine.thread(0, 7)
    thread.write(20)
    const { cpus } = machine.consumer.finish()
    const found = machine.content(0)
    expect(found?.numbers).toEqual(numbers(found?.numbers.length ?? 0, 20 - (found?.numbers.length ?? 0)))
    expect(cpus[0].overwritten + cpus[0].events).toBe(20)
    expect(found?.lost).toBe(cpus[0].overwritten)
  })

  test('serves threads that ask for the arena to the last', () => {
    const machine = new Machine()
    machine.thread(0, 7)
    Atomics.add(machine.control.words, CONTROL.asked >> 2, 3)
    machine.consumer.finish()
    expect(machine.control.words[CONTROL.answered >> 2]).toBe(3)
    expect(machine.posts).toBe(1)
  })
})
