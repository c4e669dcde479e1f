/**
 * The ledger by thread, against attempts that the test counts: it closes exactly at every moment,
 * for each thread of each place, and agrees with the totals and the files at the end.
 */
import * as fc from 'fast-check'
import { renameSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LOSSES_CALL } from '@rchan/runtime/call'
import type { LossReport, ThreadLosses } from '@rchan/runtime/recorder'
import { PLACE } from '@rchan/runtime'
import { freshFolder, fsError } from './faults.ts'
import { FLUSH_MS, GRACE_MS, Machine, type Thread } from './machine.ts'

/** What a thread attempted, as the test knows it. */
interface Attempts {
  readonly cpu: number
  readonly generation: number
  readonly threadId: number
  attempted: number
  torn: number
  tooBig: number
  bad: number
  full: number
}

/** Asks for the ledger as another thread does: in the next step. */
function ask(machine: Machine): LossReport {
  let report: LossReport | undefined
  let failure: unknown
  machine.calls.push({
    kind: LOSSES_CALL,
    argument: undefined,
    answer: (result) => (report = structuredClone(result) as LossReport),
    fail: (error) => (failure = error),
  })
  machine.consumer.doWork()
  if (report === undefined) throw new Error('the call was not answered', { cause: failure })
  return report
}

function refusedOf({ discarded }: Pick<ThreadLosses, 'discarded'>): number {
  return discarded.full + discarded.tooBig + discarded.bad
}

/**
 * Holds each row of a report to what its thread attempted. Threads without a row attempted nothing.
 */
function expectExact(report: LossReport, threads: readonly Attempts[]): void {
  for (const { cpu, generation, threadId, attempted, torn, ...refused } of threads) {
    const where = `thread ${threadId}, generation ${generation} of CPU ${cpu}`
    const rows = report.threads.filter((row) => row.cpu === cpu && row.generation === generation)
    if (rows.length === 0) {
      expect(attempted, where).toBe(0)
      continue
    }
    expect(rows.length, where).toBe(1)
    const [row] = rows
    expect(row.threadId, where).toBe(threadId)
    expect(row.attempted, where).toBe(attempted)
    const { delivered, overwritten, unwritten, pending } = row
    expect(Math.min(delivered, overwritten, unwritten, pending), where).toBeGreaterThanOrEqual(0)
    expect(delivered + overwritten + row.torn + unwritten + pending + refusedOf(row), where).toBe(attempted)
    expect(row.discarded, where).toEqual(refused)
    // Torn records are known once the thread is found to be dead.
    expect([0, torn], where).toContain(row.torn)
  }
  expect(report.threads.length).toBeLessThanOrEqual(threads.length)
  expect(report.attempted).toBe(
    threads.reduce((sum, { attempted }) => sum + attempted, report.discarded.noBuffer),
  )
}

describe('the ledger of each thread', () => {
  test('closes at every moment, for any history of writes, refusals, steps, deaths and failing writes', () => {
    const cpu = fc.integer({ min: 0, max: 1 })
    const count = fc.integer({ min: 1, max: 12 })
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('write'), cpu, count }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('tooBig', 'bad'), cpu, count }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass'), cpu, count }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('die', 'die in a record'), cpu, count }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('fail', 'repair'), cpu, count }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask'), cpu, count }) },
    )
    const modes = fc.constantFrom('discard' as const, 'overwrite' as const)
    fc.assert(
      fc.property(modes, fc.array(step, { maxLength: 60 }), (mode, steps) => {
        const folder = freshFolder()
        const machine = new Machine({ mode, subbufCount: 3, folder })
        const all: Attempts[] = []
        const living: { thread: Thread; identity: number; attempts: Attempts }[] = []
        let identity = 6
        const come = (place: number): void => {
          identity += 1
          const generation = machine.place(place, PLACE.generation)
          const attempts = { attempted: 0, torn: 0, tooBig: 0, bad: 0, full: 0 }
          const mine = { cpu: place, generation, threadId: identity, ...attempts }
          all.push(mine)
          living[place] = { thread: machine.thread(place, identity), identity, attempts: mine }
        }
        come(0)
        come(1)
        for (const { kind, cpu: place, count: times } of steps) {
          if (machine.dead.has(living[place].identity) && machine.place(place, PLACE.owner) === 0) come(place)
          const { thread, identity: who, attempts } = living[place]
          const isDead = machine.dead.has(who)
          switch (kind) {
            case 'write':
              if (isDead) break
              attempts.attempted += times
              attempts.full += times - thread.write(times)
              break
            case 'tooBig':
            case 'bad':
              if (isDead) break
              for (let i = 0; i < times; i += 1) {
                if (kind === 'bad') thread.writer.discardBad()
                else thread.writer.write(new Uint8Array(1024))
              }
              attempts.attempted += times
              attempts[kind] += times
              break
            case 'die':
            case 'die in a record': {
              // Cut off between the two last stores of a record: counted, but not there. A writer
              // that has found its buffer full has no sub-buffer to die in.
              if (!isDead && kind === 'die in a record' && thread.write(1) === 1) {
                attempts.attempted += 2
                attempts.torn += 1
                const { words, end } = thread.writer.view
                words[end + 1] += 1
              } else if (!isDead && kind === 'die in a record') {
                attempts.attempted += 1
                attempts.full += 1
              }
              machine.dead.add(who)
              break
            }
            case 'fail':
              machine.failPrepare = fsError('ENOSPC')
              break
            case 'repair':
              machine.failPrepare = undefined
              break
            case 'ask':
              expectExact(ask(machine), all)
              break
            default:
              machine.pass(times * 11)
          }
        }
        const { losses, ...totals } = machine.consumer.finish()
        expectExact(losses, all)
        const { attempted: _, pending, delivered, threads, discarded, ...others } = losses
        expect(pending).toBe(0)
        const { noBuffer, ...refused } = discarded
        expect({ ...others, discarded: refused, noBuffer, events: delivered }).toEqual({
          overwritten: totals.overwritten,
          torn: totals.torn,
          unwritten: totals.unwritten,
          discarded: totals.discarded,
          noBuffer: totals.noBuffer,
          events: totals.events,
          // Nothing here cuts a value or keeps calls out.
          cut: 0,
          filtered: 0,
        })
        for (const place of [0, 1]) {
          const sum = threads.reduce((most, row) => most + (row.cpu === place ? row.delivered : 0), 0)
          expect(machine.content(place)?.numbers.length ?? 0).toBe(sum)
        }
        rmSync(folder, { recursive: true })
      }),
      { numRuns: 300 },
    )
  })

  test('agrees with the totals, also if threads still write while the end is written', () => {
    for (const mode of ['discard', 'overwrite'] as const) {
      const machine = new Machine({ mode, subbufCount: 3 })
      const late = machine.thread(0, 7)
      late.write(6)
      machine.pass(FLUSH_MS + GRACE_MS)
      const sinkProblem = Object.getOwnPropertyDescriptor(machine, 'sinkProblem')
      expect(sinkProblem?.writable).toBe(true)
      // The streams have their ends now: what comes from here on is in neither account.
      Object.defineProperty(machine, 'sinkProblem', {
        get() {
          late.write(20)
          return undefined
        },
      })
      const { losses, ...totals } = machine.consumer.finish()
      expect(losses).toMatchObject({
        delivered: totals.events,
        overwritten: totals.overwritten,
        unwritten: totals.unwritten,
        discarded: { ...totals.discarded, noBuffer: totals.noBuffer },
      })
    }
  })

  test('takes back what nobody can read, thread by thread', () => {
    const spoil: ((machine: Machine) => void)[] = [
      (machine) => (machine.sinkProblem = 'metadata was removed'),
      ({ folder }) => renameSync(folder, `${folder} moved`),
      ({ folder }) => truncateSync(join(folder, 'cpu_0'), 40),
      ({ folder }) => rmSync(join(folder, 'cpu_0')),
    ]
    for (const each of spoil) {
      const machine = new Machine()
      machine.thread(0, 7).write(5)
      machine.dead.add(7)
      machine.pass(FLUSH_MS + GRACE_MS)
      machine.thread(0, 8).write(3)
      machine.pass(FLUSH_MS + GRACE_MS)
      each(machine)
      const { losses } = machine.consumer.finish()
      expect(losses).toMatchObject({
        attempted: 8,
        delivered: 0,
        unwritten: 8,
        threads: [
          { cpu: 0, generation: 0, threadId: 7, attempted: 5, delivered: 0, unwritten: 5 },
          { cpu: 0, generation: 1, threadId: 8, attempted: 3, delivered: 0, unwritten: 3 },
        ],
      })
      rmSync(`${machine.folder} moved`, { recursive: true, force: true })
    }
  })

  test('knows a thread that has written nothing, and one whose records can’t be written yet', () => {
    const machine = new Machine()
    machine.thread(0, 7)
    machine.thread(1, 8).write(6)
    machine.failPrepare = fsError('EIO')
    machine.pass(2 * FLUSH_MS)
    expect(ask(machine)).toMatchObject({
      attempted: 6,
      delivered: 0,
      pending: 6,
      threads: [
        { cpu: 0, threadId: 7, attempted: 0 },
        { cpu: 1, threadId: 8, attempted: 6, pending: 6 },
      ],
    })
    machine.failPrepare = undefined
    machine.pass(2 * FLUSH_MS)
    expect(ask(machine)).toMatchObject({ delivered: 6, pending: 0, unwritten: 0 })
    machine.consumer.finish()
  })
})
