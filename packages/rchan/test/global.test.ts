/** Recordings into one global buffer: all threads in one stream, in one order. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TraceRecord } from '@rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import { needReader } from '../../../test/readers.ts'
import { babeltrace, freshFolder, readTrace, run, summaryOf } from './scenario.ts'

const GLOBAL = { buffers: 'global' }
const WORKERS = 3
const COUNT = 200

/**
 * The one file and its content. Our reader refuses times that run backwards, so that they don't is
 * part of reading. Each event names the thread that wrote it and its CPU, and each thread's steps
 * are in order.
 */
function expectOneStream(
  folder: string,
  perCpu: ReturnType<typeof summaryOf>['perCpu'],
): { records: TraceRecord[]; discarded: number } {
  // Of several files, when it is long.
  const names = readdirSync(folder).map((name) => name.replace(/_\d+$/, ''))
  expect(new Set(names)).toEqual(new Set(['global', 'metadata']))
  const { records, discarded } = readTrace(folder)
  const events = new Map<number, number>()
  const next = new Map<unknown, number>()
  for (const { cpu, threadId, threadName, fields } of records) {
    events.set(cpu, (events.get(cpu) ?? 0) + 1)
    const thread = perCpu.find((each) => each.cpu === cpu)?.threads.find((each) => each.threadId === threadId)
    const { thread: wrote, step = Infinity } = fields as { thread: number; step?: number }
    if (thread?.threadId !== wrote || thread.threadName !== threadName)
      throw new Error(`thread ${wrote} as ${threadId} ${threadName}, CPU ${cpu}`)
    if (step < (next.get(wrote) ?? 0))
      throw new Error(`thread ${wrote}: step ${step} after ${next.get(wrote)}`)
    next.set(wrote, step + 1)
  }
  for (const { cpu, events: count } of perCpu) expect(events.get(cpu) ?? 0).toBe(count)
  return { records, discarded }
}

describe('all threads write one stream', () => {
  for (const [when, then] of [
    ['before', 'end'],
    ['after', 'exit'],
    ['after', 'throw'],
    ['before', 'park'],
    ['after', 'spin'],
  ] as const) {
    test(`of workers that were started ${when} the recording and ${then} nothing is lost`, async (context) => {
      needReader(context, 'babeltrace2')
      const folder = join(freshFolder(), 'trace')
      const options = JSON.stringify({ when, main: COUNT, ...GLOBAL })
      const summary = summaryOf(await run('threads.mjs', [folder, then, `${WORKERS}`, `${COUNT}`, options]))
      expect(summary).toMatchObject({
        events: WORKERS * (COUNT + 1) + COUNT,
        discarded: 0,
        torn: 0,
      })
      expect(expectOneStream(folder, summary.perCpu).records.length).toBe(summary.events)
      expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: 0 })
    })
  }

  test('of workers that are terminated right after their last event, many times over on few places', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const options = JSON.stringify({ possibleCpus: 4, ...GLOBAL })
    const summary = summaryOf(await run('churn.mjs', [folder, '10', '3', `${COUNT}`, options]))
    expect(summary).toMatchObject({ events: 30 * (COUNT + 1), discarded: 0, torn: 0, unwritten: 0 })
    expectOneStream(folder, summary.perCpu)
    const threads = summary.perCpu.flatMap((cpu) => cpu.threads.map((thread) => thread.threadId))
    expect(new Set(threads).size).toBe(30)
    expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: 0 })
  })

  test('and what parked and busy threads wrote is there at the next interval, with the main thread blocked', async () => {
    const ended = await run('parked-and-busy.mjs', [join(freshFolder(), 'trace'), JSON.stringify(GLOBAL)])
    expect(ended.status, ended.stderr).toBe(0)
    expect(JSON.parse(ended.stdout)).toMatchObject({ seen: 22 })
  })

  for (const [how, then, status] of [
    ['exit', 'spin', 7],
    ['throw', 'park', 1],
    ['end', 'stay', 0],
  ] as const) {
    test(`of a process that ends without stop (${how}, workers ${then}) nothing is lost`, async (context) => {
      needReader(context, 'babeltrace2')
      const folder = join(freshFolder(), 'trace')
      const args = [folder, how, then, `${WORKERS}`, `${COUNT}`, JSON.stringify(GLOBAL)]
      const ended = await run('main-ends.mjs', args)
      expect(ended.status, ended.stderr).toBe(status)
      const { records } = readTrace(folder)
      expect(records.length).toBe(WORKERS * (COUNT + 1) + COUNT)
      expect(new Set(records.map(({ cpu, fields }) => `${cpu} ${String(fields.thread)}`)).size).toBe(
        WORKERS + 1,
      )
      expect(babeltrace(folder)).toEqual({ events: records.length, discarded: 0 })
    })
  }

  test('that ends with the thread which started it, also when that was terminated', async () => {
    const args = [join(freshFolder(), 'trace'), JSON.stringify(GLOBAL)]
    const summary = summaryOf(await run('recorder-dies.mjs', args))
    expect(summary).toMatchObject({ before: true, after: false, events: 1, discarded: 0 })
  })
})

describe('every event that is not in the stream is counted', () => {
  const small = { bufferSize: 32 * 1024, ...GLOBAL }

  test('with a buffer too small for the load: delivered + discarded = attempted', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const summary = summaryOf(await run('overfull.mjs', [folder, '2', '200000', JSON.stringify(small)]))
    expect(summary.attempts).toBe(600_000)
    expect(summary.events + summary.discarded).toBe(summary.attempts)
    expect(summary.discardedBy).toEqual({ full: summary.discarded, tooBig: 0, bad: 0, noBuffer: 0 })
    expect(summary.discarded).toBeGreaterThan(0)
    expect(summary).toMatchObject({ overwritten: 0, torn: 0, unwritten: 0 })
    // On a busy machine one may have ended before another one starts, which then has its place.
    expect(summary.perCpu.flatMap(({ threads }) => threads).length).toBe(3)
    for (const { events, discarded, threads } of summary.perCpu)
      expect(events + discarded.full).toBe(200_000 * threads.length)
    const { records, discarded } = readTrace(folder)
    expect({ events: records.length, discarded }).toEqual({
      events: summary.events,
      discarded: summary.discarded,
    })
    expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: summary.discarded })
  })

  test('in overwrite mode: delivered + overwritten = attempted, and the newest are there', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const options = JSON.stringify({ ...small, mode: 'overwrite' })
    const summary = summaryOf(await run('overfull.mjs', [folder, '2', '200000', options]))
    // Events that are refused in this mode: a thread that the system stopped just while it wrote is
    // lapped by the others.
    expect(summary.events + summary.overwritten + summary.discardedBy.full).toBe(600_000)
    expect(summary).toMatchObject({ torn: 0, unwritten: 0 })
    expect(summary.overwritten).toBeGreaterThan(0)
    const { records } = readTrace(folder)
    const { thread, step } = records.at(-1)?.fields ?? {}
    expect(step, `thread ${String(thread)}`).toBe(199_999)
    expect(babeltrace(folder)).toEqual({
      events: summary.events,
      discarded: summary.overwritten + summary.discarded,
    })
  })

  test('of threads that find no place', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const options = JSON.stringify({ possibleCpus: 2, bufferSize: 2 ** 24, ...GLOBAL })
    const summary = summaryOf(await run('overfull.mjs', [folder, '3', '5000', options]))
    expect(summary.events + summary.discarded).toBe(4 * 5000)
    expect(summary.discarded).toBe(summary.discardedBy.noBuffer)
    expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: summary.discarded })
  })

  for (const options of [GLOBAL, { ...small, possibleCpus: 4 }, { ...small, mode: 'overwrite' }]) {
    test(`of threads that are terminated while they write, but for one call of each ${JSON.stringify(options)}`, async (context) => {
      needReader(context, 'babeltrace2')
      const folder = join(freshFolder(), 'trace')
      const [rounds, workers] = [5, 3]
      const summary = summaryOf(
        await run('killed.mjs', [folder, `${rounds}`, `${workers}`, JSON.stringify(options)]),
      )
      const { begun, returned } = summary as unknown as { begun: number; returned: number }
      expect(begun - returned).toBeLessThanOrEqual(rounds * workers)
      const accounted =
        summary.events + summary.discarded + summary.overwritten + summary.torn + summary.unwritten
      const note = JSON.stringify({ ...summary, perCpu: undefined })
      expect(accounted, note).toBeGreaterThanOrEqual(returned)
      expect(accounted, note).toBeLessThanOrEqual(begun)
      // No thread waits behind a dead thread's open record.
      expect(summary.unwritten, note).toBe(0)
      expect(summary.discardedBy, note).toMatchObject({ tooBig: 0, bad: 0 })
      const { records, discarded } = expectOneStream(folder, summary.perCpu)
      expect(records.length).toBe(summary.events)
      expect(discarded).toBe(summary.discarded + summary.overwritten + summary.torn)
      expect(babeltrace(folder)).toEqual({ events: summary.events, discarded })
    })
  }
})
