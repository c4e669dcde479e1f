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
