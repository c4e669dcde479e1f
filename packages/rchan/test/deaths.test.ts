/** What the death of a thread, or what looks like it, does to a recording. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshFolder, readTrace, run, summaryOf } from './scenario.ts'

describe.each(['per-thread', 'global'])('with buffers: %s', (buffers) => {
  test('threads that mocked their file system switch nothing off, and trace as all others', async () => {
    const folder = join(freshFolder(), 'trace')
    const summary = summaryOf(await run('mocked-fs.mjs', [folder, buffers]))
    expect(summary).toMatchObject({ isEnabled: true, events: 10_002, discarded: 0 })
    expect(summary.error).toBe(undefined)
    expect(readTrace(summary.path).records.length).toBe(10_002)
  })
})
