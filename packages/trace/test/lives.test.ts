/** What a trace tells of threads, and of the spans that their ends or its own cut off. */
import { describe, expect, test } from 'vitest'
import { openTrace } from '@rchan/ctf/reader'
import type { RecordingSummary, Snapshot } from '@rchan/trace'
import { babeltrace } from '../../rchan/test/scenario.ts'
import { freshFolder, opened, printed, run } from './process.ts'

/** The spans of a trace: of which thread, and what became of them. */
function spansOf(folder: string): string[] {
  const spans: string[] = []
  for (const item of openTrace(folder).items()) {
    if (item.type !== 'span') continue
    if (item.outcome === 'cut') expect(item.end).toBeGreaterThan(item.start)
    spans.push(`${item.thread.name}: ${item.outcome} ${String(item.fields.n ?? '')}`.trim())
  }
  return spans.sort()
}

function livesOf(folder: string): string[] {
  const { facts } = openTrace(folder)
  expect(facts?.untold).toBe(0)
  return (facts?.threads ?? [])
    .map(({ threadName, runs, came, went }) => {
      expect(runs).toMatch(/lives\.mjs$/)
      if (went !== undefined) expect(went).toBeGreaterThan(came)
      return `${threadName} ${went === undefined ? 'lives' : 'went'}`
    })
    .sort()
}

async function ran(how: string, folder: string, options: object): Promise<unknown[]> {
  return printed(await run('lives.mjs', [how, folder, JSON.stringify(options)])) as unknown[]
}

describe.each([
  { buffers: 'per-thread', mode: 'discard' },
  { buffers: 'per-thread', mode: 'overwrite' },
  { buffers: 'global', mode: 'discard' },
  { buffers: 'global', mode: 'overwrite' },
])('%j', (options) => {
  test('a terminated thread cuts its open spans off', async () => {
    const folder = freshFolder()
    const [summary] = (await ran('terminate', folder, options)) as [RecordingSummary]
    expect(opened(summary)).toHaveLength(2)
    expect(spansOf(folder)).toEqual(['named before: ok 1', 'worker 10: cut', 'worker 10: ok 10'])
    expect(livesOf(folder)).toEqual(['named before lives', 'worker 10 went'])
  })

  test('the end of the process cuts the spans of all threads off', async () => {
    const folder = freshFolder()
    const ended = await run('lives.mjs', ['exit', folder, JSON.stringify(options)])
    expect(ended.status, ended.stderr).toBe(0)
    expect(spansOf(folder)).toEqual(['named before: cut', 'worker 10: cut', 'worker 10: ok 10'])
    const seen = babeltrace(folder)
    if (seen !== undefined) expect(seen).toEqual({ events: 1, discarded: 0 })
  })
})

describe.each([{ buffers: 'per-thread' }, { buffers: 'global' }])('%j', (options) => {
  test('files that are set up late tell of threads and spans from before', async () => {
    const folder = freshFolder()
    const [summary] = (await ran('memory', folder, options)) as [RecordingSummary]
    expect(opened(summary)).toHaveLength(1)
    expect(spansOf(folder)).toEqual(['named before: cut', 'worker 10: cut', 'worker 10: ok 10'])
    expect(livesOf(folder)).toEqual(['named before lives', 'worker 10 went'])
  })

  test('a span of an earlier recording is not in a later one', async () => {
    const folder = freshFolder()
    const [first, second] = (await ran('again', folder, options)) as RecordingSummary[]
    expect(opened(first)).toHaveLength(0)
    expect(spansOf(first.path)).toEqual(['named before: cut'])
    expect(opened(second)).toHaveLength(1)
    expect(second.discarded).toBe(0)
    expect(spansOf(second.path)).toEqual(['named before: cut', 'named before: ok 2'])
  })

  test('spans of a thread beyond 1024 that are open are counted, and the others are there', async () => {
    const folder = freshFolder()
    const [summary, refused] = (await ran('many', folder, options)) as [RecordingSummary, number]
    expect(refused).toBe(76)
    expect(opened(summary)).toHaveLength(1024)
    expect(summary.discardedBy.bad).toBe(76)
    expect(summary.badArguments).toEqual(['life:span: more than 1024 spans of a thread were open'])
  })

  test('a snapshot tells of the spans that are open, of dead threads, and of new names', async () => {
    const folder = freshFolder()
    const [first, second] = (await ran('flight', folder, options)) as Snapshot[]
    const workers = ['worker 10: cut', 'worker 10: ok 10', 'worker 20: cut', 'worker 20: ok 20']
    expect(spansOf(first.path)).toEqual(['named before: cut', ...workers])
    expect(spansOf(second.path)).toEqual(['named after: ok 1', ...workers])
    expect(livesOf(second.path)).toEqual(['named after lives', 'worker 10 went', 'worker 20 lives'])
    expect(babeltrace(first.path) ?? { events: 3 }).toMatchObject({ events: 3 })
  })
})
