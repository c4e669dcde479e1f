/** Effects of a thread's death on a recording, real or apparent. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshFolder, readTrace, run, summaryOf } from './scenario.ts'

const WORKERS = 12
const COUNT = 500

describe.each(['per-thread', 'global'])('with buffers: %s', (buffers) => {
  test.each([
    ['switch nothing off, and trace as all others', 'at-once'],
    ['give their places back when their exit events come', 'one-place'],
  ])('threads that mocked their file system %s', async (_, how) => {
    const folder = join(freshFolder(), 'trace')
    const summary = summaryOf(await run('mocked-fs.mjs', [folder, buffers, how]))
    expect(summary).toMatchObject({ isEnabled: true, events: 10_002, discarded: 0 })
    expect(summary.error).toBe(undefined)
    expect(readTrace(summary.path).records.length).toBe(10_002)
  })

  test('a place goes from thread to thread as each ends, without an event lost and without a flush', async () => {
    const folder = join(freshFolder(), 'trace')
    const summary = summaryOf(await run('relay-race.mjs', [folder, buffers, `${WORKERS}`, `${COUNT}`]))
    expect(summary.discardedBy).toEqual({ full: 0, tooBig: 0, bad: 0, noBuffer: 0 })
    expect(summary).toMatchObject({ events: WORKERS * COUNT + 1, torn: 0, unwritten: 0 })
    expect(readTrace(folder).records.length).toBe(summary.events)
  })
})
