import { openTrace } from '@rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import { babeltrace, freshFolder, readTrace, run, summaryOf } from './scenario.ts'

/** Runs the fixture, and checks all that is true wherever the clocks were faked. */
async function faked(
  buffers: string,
  where: string,
  since: string,
  until: string,
  how: string,
): Promise<{ threads: string[]; summary: ReturnType<typeof summaryOf> }> {
  const folder = freshFolder()
  const summary = summaryOf(await run('clocks.mjs', [folder, buffers, where, since, until, how]))
  const { records, discarded } = readTrace(folder)
  expect(records.length).toBe(summary.events)
  expect(discarded).toBe(summary.discarded)
  expect(summary.events + summary.discarded).toBe(10)
  expect(babeltrace(folder) ?? { events: summary.events, discarded }).toEqual({
    events: summary.events,
    discarded,
  })
  const [begunAt, endedAt] = [BigInt(summary.begunAt as string), BigInt(summary.endedAt as string)]
  const { clock } = openTrace(folder)
  for (const { time } of records) expect(time >= begunAt && time <= endedAt).toBe(true)
  // Of the machine's start, and not of 1970.
  expect(clock.offsetSeconds).toBeGreaterThan(1e9)
  expect(summary.durationMs).toBeGreaterThan(0)
  const threads = [...new Set(records.map(({ fields }) => (fields.main === true ? 'main' : 'worker')))]
  return { threads: threads.sort(), summary }
}

describe.each(['per-thread', 'global'])('%s buffers', (buffers) => {
  test.each([
    ['main', 'import', 'start', 'frozen'],
    ['main', 'start', 'end', 'frozen'],
    ['main', 'recording', 'end', 'throws'],
    ['worker', 'import', 'start', 'zero'],
    ['worker', 'start', 'end', 'throws'],
  ])('times are right where clocks were faked on %s from %s to %s: %s', async (...args) => {
    const { threads, summary } = await faked(buffers, ...args)
    expect(threads).toEqual(['main', 'worker'])
    expect(summary).toMatchObject({ events: 10, discarded: 0 })
    expect(summary.error).toBe(undefined)
  })

  test.each([
    ['main', 'frozen', /^thread 0: process\.hrtime stands still/],
    ['main', 'zero', /^thread 0: process\.hrtime differs from the system's clock by -\d/],
    ['worker', 'throws', /^thread \d+: process\.hrtime stands still/],
    ['worker', 'zero', /^thread \d+: process\.hrtime differs from the system's clock by -\d/],
  ])('without a clock to be trusted the events of %s are counted: %s', async (where, how, error) => {
    const { threads, summary } = await faked(buffers, where, 'import', 'end', how)
    expect(threads).toEqual([where === 'main' ? 'worker' : 'main'])
    expect(summary.discardedBy).toEqual({ full: 0, tooBig: 0, bad: 0, noBuffer: 5 })
    expect(summary.error).toMatch(error)
  })
})
