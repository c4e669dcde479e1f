import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { needReader } from '../../../test/readers.ts'
import { babeltrace, freshFolder, readTrace, run, summaryOf } from './scenario.ts'

const WORKERS = 3
const COUNT = 200

describe('a worker loses nothing that it wrote', () => {
  for (const when of ['before', 'after']) {
    for (const [then, what] of [
      ['end', 'comes to its end'],
      ['exit', 'calls process.exit()'],
      ['throw', 'throws'],
      ['park', 'is parked in Atomics.wait'],
      ['spin', 'never yields'],
      ['stay', 'waits for messages'],
    ] as const) {
      test(`when it ${what}, started ${when} the recording`, async (context) => {
        needReader(context, 'babeltrace2')
        const folder = join(freshFolder(), 'trace')
        const summary = summaryOf(
          await run('threads.mjs', [folder, then, `${WORKERS}`, `${COUNT}`, JSON.stringify({ when })]),
        )
        expectWhole(folder, WORKERS, 0)
        // The one event of a tracepoint that only this thread knows comes on top.
        expect(summary).toMatchObject({
          events: WORKERS * (COUNT + 1),
          discarded: 0,
          torn: 0,
          overwritten: 0,
        })
        expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: 0 })
      })
    }
  }

  test('when it is terminated right after its last event, many times over on few places', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const options = JSON.stringify({ possibleCpus: 4 })
    const summary = summaryOf(await run('churn.mjs', [folder, '10', '3', `${COUNT}`, options]))
    expectWhole(folder, 30, 0)
    expect(summary).toMatchObject({ events: 30 * (COUNT + 1), discarded: 0, torn: 0 })
    // The generation tells threads of one place apart.
    const threads = summary.perCpu.flatMap((cpu) => cpu.threads.map((thread) => thread.threadId))
    expect(new Set(threads).size).toBe(30)
    expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: 0 })
  })
})

describe('a process loses nothing when it ends without stop', () => {
  for (const [how, then, status, what] of [
    ['exit', 'spin', 7, 'calls process.exit() while workers spin'],
    ['exit', 'park', 7, 'calls process.exit() while workers are parked'],
    ['throw', 'park', 1, 'throws while workers are parked'],
    ['reject', 'stay', 1, 'has an unhandled rejection while workers wait'],
    ['end', 'end', 0, 'comes to its end'],
    ['end', 'stay', 0, 'comes to its end while unreferenced workers wait'],
  ] as const) {
    test(`because the main thread ${what}`, async (context) => {
      needReader(context, 'babeltrace2')
      const folder = join(freshFolder(), 'trace')
      const ended = await run('main-ends.mjs', [folder, how, then, `${WORKERS}`, `${COUNT}`])
      expect(ended.status, ended.stderr).toBe(status)
      expectWhole(folder, WORKERS, COUNT)
      expect(babeltrace(folder)).toEqual({ events: WORKERS * (COUNT + 1) + COUNT, discarded: 0 })
    })
  }
})

describe('a process loses nothing when it ends without stop, and other exit listeners', () => {
  for (const [how, status, more, what] of [
    ['throws', 1, 0, 'throw before ours'],
    ['throws-and-exits', 1, 0, 'throw, and it calls process.exit()'],
    ['exits', 0, 0, 'call process.exit() before ours'],
    ['exit-in-exit', 0, 1, 'call process.exit() between ours'],
    ['removes', 0, 1, "are removed, ours too: removeAllListeners('exit')"],
    ['removes-all', 0, 1, 'are removed, and all others: removeAllListeners()'],
    ['removes-all-and-exits', 0, 0, 'are removed in the turn in which it exits'],
    ['removes-each', 0, 1, 'are removed until there are none'],
    ['removes-prepended', 0, 0, 'are removed, those in front of ours, too'],
    ['late', 0, 2, 'trace, registered after the start, in front and behind'],
    ['fights', 0, 1, 'want to be the first, too'],
    ['uncaught', 1, 0, 'are called because of an uncaught exception'],
    ['stops', 0, 0, 'are called while stop is under way'],
    ['worker-uncaught', 0, 0, 'are those of a worker that records and throws'],
    ['worker-removes', 0, 1, 'are those of a worker that records, and removed'],
    ['worker-none', 0, 0, 'are those of a worker that records and ends'],
  ] as const) {
    for (const buffers of ['per-thread', 'global'] as const) {
      test(`${what} (${buffers})`, async () => {
        const folder = join(freshFolder(), 'trace')
        const ended = await run('listeners.mjs', [folder, how, '1000', JSON.stringify({ buffers })])
        expect(ended.status, ended.stderr).toBe(status)
        const { records, discarded } = readTrace(folder)
        expect(records.map(({ fields }) => fields.n)).toEqual(
          Array.from({ length: 1000 + more }, (_, i) => i),
        )
        expect(discarded).toBe(0)
      })
    }
  }
})

test('an exit event that somebody emits ends no recording, and nothing of it stays behind', async () => {
  const folder = join(freshFolder(), 'trace')
  const ended = await run('listeners.mjs', [folder, 'emits', '1000'])
  expect(ended.status, ended.stderr).toBe(0)
  expect(readTrace(folder).records.length).toBe(1010)
})

/** Each thread's steps are there once, in order, and its last event, too. */
function expectWhole(folder: string, workers: number, main: number): void {
  const { records } = readTrace(folder)
  const steps = new Map<number, number[]>()
  let last = 0
  for (const { event, fields } of records) {
    const thread = fields.thread as number
    if (event.name === 'fixture:step') {
      const list = steps.get(thread) ?? []
      steps.set(thread, list)
      list.push(fields.step as number)
    } else if (event.name === `fixture:last${thread}`) {
      last += 1
    }
  }
  expect(last).toBe(workers)
  const mainSteps = steps.get(0) ?? []
  steps.delete(0)
  expect(mainSteps).toEqual(Array.from({ length: main }, (_, i) => i))
  expect(steps.size).toBe(workers)
  for (const list of steps.values()) expect(list).toEqual(Array.from({ length: COUNT }, (_, i) => i))
}
