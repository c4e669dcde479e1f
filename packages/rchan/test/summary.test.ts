import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { startRecording, tracepoint, type RecordingSummary } from 'rchan'
import { expect, test } from 'vitest'
import { freshFolder } from './scenario.ts'

/** The summary of a recording during which something happened. */
async function summaryWhile(
  happens: () => unknown,
  settings: { bufferSize?: number; mode?: 'discard' | 'overwrite' } = {},
): Promise<RecordingSummary> {
  const recording = await startRecording({ path: freshFolder(), bufferSize: 32_768, ...settings })
  try {
    await happens()
  } finally {
    await recording.stop()
  }
  return await recording.stop()
}

const nothing = (): void => undefined

test('a trace without events says why: first that no tracepoint is declared, then that none was called', async () => {
  const undeclared = await summaryWhile(nothing)
  expect(undeclared.warnings).toEqual([
    expect.stringMatching(/^no thread traced: no tracepoint has been declared .* before you start workers$/),
  ])
  const point = tracepoint('summary:point', { n: 'u32' })
  point({ n: 1 })
  const uncalled = await summaryWhile(nothing)
  point({ n: 2 })
  expect(uncalled.warnings).toEqual([
    expect.stringMatching(/^no thread traced: no call of the tracepoints \(summary:point\) was seen while/),
  ])
})

test('a recording of which all is well warns of nothing and prints in one line', async () => {
  const point = tracepoint('summary:point', { n: 'u32' })
  const summary = await summaryWhile(() => {
    for (let n = 0; n < 1200; n += 1) point({ n })
  })
  expect(summary.warnings).toEqual([])
  expect(inspect(summary)).toMatch(/^Recording \{ 1,200 events of 1 CPU in [\d.]+ m?s → \/.+ \}$/)
})

test('losses are said with what to do, by cause', async () => {
  const point = tracepoint('summary:point', { n: 'u32' })
  const text = tracepoint('summary:text', { text: 'string' })
  const summary = await summaryWhile(() => {
    for (let n = 0; n < 20_000; n += 1) point({ n })
    point({ n: -1 })
    text({ text: 'x'.repeat(100_000) })
  })
  expect(summary.discardedBy).toMatchObject({ bad: 1, tooBig: 1, noBuffer: 0 })
  expect(summary.warnings).toEqual([
    expect.stringMatching(/^\d+ events? (was|were) lost because a buffer was full: .*32 KiB.*'overwrite'/),
    expect.stringMatching(/^1 event was longer than a sub-buffer \(4 KiB\): .* or make bufferSize larger$/),
    expect.stringMatching(/^1 event had arguments that could not be read or don't fit/),
  ])
  expect(summary.badArguments).toEqual(['summary:point: n=-1 is no u32'])
  const lines = inspect(summary).split('\n')
  expect(lines).toHaveLength(8)
  expect(lines[2]).toMatch(/^ {2}[\d,]+ discarded: [\d,]+ full, 1 tooBig, 1 bad,$/)
  expect(lines[3]).toBe('  bad: summary:point: n=-1 is no u32,')
  expect(lines[4]).toMatch(/^ {2}warning: \d+ event/)
})

test('processes of Node that are started meanwhile are counted; other processes, and later ones, are not', async () => {
  const point = tracepoint('summary:point', { n: 'u32' })
  const summary = await summaryWhile(async () => {
    point({ n: 1 })
    const children = [spawn(process.execPath, ['-e', '']), spawn(process.execPath, ['-e', '']), spawn('true')]
    await Promise.all(children.map((child) => once(child, 'close')))
  })
  expect(summary.warnings).toEqual([
    expect.stringMatching(/^this thread started 2 processes of Node .* each process records by itself/),
  ])
  expect((await summaryWhile(() => point({ n: 1 }))).warnings).toEqual([])
})

test('a recording prints that it runs, and its summary once it has stopped; colours and depth as asked', async () => {
  const point = tracepoint('summary:point', { n: 'u32' })
  const recording = await startRecording({ path: freshFolder() })
  expect(inspect(recording)).toBe(`Recording { running → ${recording.path} }`)
  expect(inspect({ a: { b: recording } }, { depth: 0 })).toBe('{ a: [Object] }')
  point({ n: 1 })
  const summary = await recording.stop()
  expect(inspect(recording)).toBe(inspect(summary))
  expect(inspect(summary, { colors: true })).toContain('\u001b[33m1\u001b[39m event')
  expect(inspect({ summary }, { depth: 0 })).toBe('{ summary: [Recording] }')
})

test('a summary is plain data to all else', async () => {
  const summary = await summaryWhile(nothing)
  const copy = JSON.parse(JSON.stringify(summary)) as RecordingSummary
  expect(summary).toEqual(copy)
  expect(Reflect.ownKeys({ ...summary })).toEqual(Object.keys(copy))
  expect(structuredClone(summary)).toEqual(copy)
})

test('one name that is declared with other fields is said once', async () => {
  const one = tracepoint('summary:two', { at: 'u32' })
  tracepoint('summary:two', { at: 'u64' })
  tracepoint('summary:two', {})
  const { warnings } = await summaryWhile(() => one({ at: 1 }))
  expect(warnings).toEqual([
    expect.stringContaining(
      'the tracepoint summary:two is declared with different fields, { at: u32 } and { at: u64 }',
    ),
  ])
})
