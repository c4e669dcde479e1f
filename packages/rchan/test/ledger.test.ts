import { expect, test } from 'vitest'
import { join } from 'node:path'
import type { LossReport, RecordingSummary } from 'rchan'
import { expectClosed, expectCounted, FEW, ran, sumOf } from './ledger-scenario.ts'
import { freshFolder, run, summaryOf } from './scenario.ts'

test('the ledger closes for each thread of a place: threads that return, exit, throw, ask', async () => {
  const result = await ran(['returns', 'exits', 'asks'], FEW, 3)
  expectClosed(result)
  expect(result.losses.threads.length).toBeGreaterThanOrEqual(9)
  expect(result.losses.threads.some(({ generation }) => generation > 0)).toBe(true)
  expectClosed(await ran(['throws', 'returns'], FEW))
})

test('the ledger closes when threads are terminated at random instants', async () => {
  expectClosed(await ran(['terminated', 'terminated', 'returns'], { ...FEW, bufferSize: 64 * 1024 }, 4))
})

test('the ledger closes with full buffers, events that are too big, and bad arguments', async () => {
  const result = await ran(['bad', 'tooBig', 'returns'], { ...FEW, bufferSize: 32 * 1024 })
  expectClosed(result)
  const { tooBig, bad } = result.losses.discarded
  expect(bad).toBeGreaterThan(0)
  expect(tooBig).toBeGreaterThan(0)
})

test('the ledger closes in overwrite mode', async () => {
  const result = await ran(['returns', 'terminated'], { ...FEW, bufferSize: 32 * 1024, mode: 'overwrite' }, 3)
  expectClosed(result)
  expect(result.losses.overwritten).toBeGreaterThan(0)
})

test('the ledger closes with threads that find no place', async () => {
  const result = await ran(['returns', 'returns', 'returns'], { possibleCpus: 1 })
  expectClosed(result)
  expect(result.losses.discarded.noBuffer).toBeGreaterThan(0)
})

test.each(['discard', 'overwrite'])('the ledger closes with one buffer of all threads: %s', async (mode) => {
  const options = { ...FEW, mode, buffers: 'global', bufferSize: 64 * 1024 }
  expectClosed(await ran(['returns', 'terminated', 'bad'], options, 3))
})

// In the units of the shell: 128 KiB, which no whole sub-buffer fits, and 512 KiB.
for (const blocks of [256, 1024]) {
  test(`the ledger closes when the disk takes no file of more than ${blocks} blocks`, async (context) => {
    if (process.platform !== 'linux') context.skip('needs ulimit -f')
    const result = await ran(['returns', 'terminated', 'returns'], { ...FEW, bufferSize: 2 ** 21 }, 2, {
      blocks,
    })
    expectClosed(result)
    if (blocks === 1024) return
    expect(result.error).toMatch(/EFBIG/)
    expect(result.losses.unwritten).toBeGreaterThan(0)
  })
}

test.each(['per-thread', 'global'])(
  'the ledger closes when the folder is gone at the end: nothing is delivered, all is unwritten: %s',
  async (buffers) => {
    const spoil = 'remove'
    const { folder: _, ...result } = await ran(['returns', 'returns'], { ...FEW, buffers }, 2, { spoil })
    expect(result.after).toEqual(result.losses)
    expect(result.error).toMatch(/(was|were) removed or moved/)
    const { attempted, delivered, unwritten, discarded, threads } = result.losses
    expect(delivered).toBe(0)
    expect(attempted).toBe(sumOf(result.losses))
    expect(attempted).toBe(result.counts.reduce((sum, count, at) => sum + (at % 2 === 1 ? count : 0), 0))
    expect({ unwritten, discarded }).toEqual({
      unwritten: result.unwritten,
      discarded: result.discardedBy,
    })
    expect(unwritten).toBeGreaterThan(0)
    for (const thread of threads) expect(thread.delivered).toBe(0)
  },
)

test.each(['per-thread', 'global'])('the ledger of a flight recorder closes: %s', async (buffers) => {
  const options = { ...FEW, buffers, mode: 'flight', bufferSize: 32 * 1024 }
  const result = await ran(['returns', 'terminated', 'bad'], options, 3)
  expectCounted(result)
  // What its buffers held at the end is in no file.
  expect(result.losses).toMatchObject({ delivered: 0, unwritten: 0, pending: result.events })
  expect(result.losses.overwritten).toBeGreaterThan(0)
  // Also the buffers of threads that have ended hold their last events.
  expect(result.losses.pending).toBeGreaterThan(0)
})

test.each([
  ['per-thread', 'discard'],
  ['global', 'discard'],
  ['per-thread', 'flight'],
  ['global', 'flight'],
])('what was cut and what limits kept out is told by thread: %s, %s', async (buffers, mode) => {
  const folder = join(freshFolder(), 'traces')
  const options = JSON.stringify({
    buffers,
    mode,
    ...(mode === 'flight' ? { dir: folder } : { path: folder }),
  })
  const result = summaryOf(await run('own-counts.mjs', [options])) as unknown as RecordingSummary & {
    readonly did: readonly { readonly threadId: number; readonly calls: number; readonly cut: number }[]
    readonly between: LossReport
  }
  for (const { threads, ...report } of [result.between, result.losses]) {
    for (const { threadId, calls, cut } of result.did) {
      const thread = threads.find((each) => each.threadId === threadId)
      expect(thread).toMatchObject({ cut, filtered: (calls / 10) * 9 })
      // One in ten, and the notes.
      if (buffers === 'per-thread') expect(thread?.attempted).toBe(calls / 10 + cut + 1)
    }
    expect(report).toMatchObject({ attempted: 21, cut: 6, filtered: 108 })
  }
  expect(result).toMatchObject({ cut: 6, filtered: 108 })
})
