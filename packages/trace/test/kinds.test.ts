/** Spans, asynchronous spans, flows, counters, events with a time of their own, and threads. */
import { describe, expect, test } from 'vitest'
import { openTrace } from '@rchan/ctf/reader'
import type { RecordingSummary } from '@rchan/trace'
import { freshFolder, opened, printed, run } from './process.ts'

interface Printed {
  readonly summary: RecordingSummary
  readonly results: unknown[]
  readonly start: string
}

describe.each([
  ['per-thread', []],
  ['global', []],
  ['per-thread', ['--disallow-code-generation-from-strings']],
  ['global', ['--disallow-code-generation-from-strings']],
] as const)('in a recording with buffers %s, node %j', (buffers, nodeArgs) => {
  test('each kind is in the trace with what it is', async () => {
    const folder = freshFolder()
    const ended = await run('kinds.mjs', [folder, JSON.stringify({ buffers })], nodeArgs)
    const { summary, results, start: startText } = printed(ended) as Printed
    const start = BigInt(startText)
    const records = opened(summary)
    expect(results).toEqual([41, 42, 43, 'Error: 44', 'Error: 45'])
    // Ends that were bad: 3, times, a missing field, and 3 with fields that can't be read.
    expect(summary.discarded).toBe(8)
    expect(summary.badArguments).toEqual([
      expect.stringMatching(/^tile:decode: ended with token=\d+, of a span that has ended/) as string,
    ])
    expect(summary.warnings.join()).not.toContain('different fields')

    const of = (name: string, kind = 'event') =>
      records.filter(({ event }) => event.name === name && (event.kind ?? 'event') === kind)
    expect(of('a:event').map(({ event, fields }) => [event.level, fields])).toEqual([['warning', { x: 1 }]])
    expect(of('a:event', 'late-event')[0]).toMatchObject({ fields: { at: start, x: 2 } })

    const spans = of('tile:decode', 'span')
    expect(spans.map(({ fields }) => [fields.id, fields.outcome])).toEqual([
      [0, 'ok'],
      [1, 'ok'],
      [2, 'ok'],
      [3, 'failed'],
      [4, 'ok'],
      [5, 'ok'],
      [6, 'failed'],
      [7, 'failed'],
      [8, 'ok'],
      [9, 'ok'],
      [10, 'ok'],
      [11, 'ok'],
      [15, 'ok'],
      [16, 'ok'],
    ])
    expect(spans.slice(-2).map(({ fields }) => fields.ms)).toEqual([1, 2])
    for (const { time, fields } of spans) {
      const from = fields.start as bigint
      expect(from).toBeGreaterThanOrEqual(start)
      if (fields.id === 9) expect([from, fields.duration]).toEqual([start, 5n])
      else if (fields.id === 10) expect(fields.duration).toBe(7n)
      // A span ends when its record is written.
      else expect(from + (fields.duration as bigint)).toBe(time)
    }
    expect(of('tile:text', 'span')[0]).toMatchObject({
      fields: { s: 'é', list: [1, 2], constructor: 'Tile' },
    })
    const [, bare] = of('tile:bare', 'span')
    const inner = spans[3]
    expect(bare.fields.start).toBeLessThanOrEqual(inner.fields.start as bigint)
    expect(bare.time).toBeGreaterThanOrEqual(inner.time)

    const rest = records.filter(({ event }) => /^(pool|memory)/.test(event.name))
    expect(rest.map(({ event, threadName, fields }) => [event.name, event.kind, threadName, fields])).toEqual(
      [
        ['pool:task:begin', 'async-begin', 'the recorder', { id: 7n, file: 'a.js' }],
        ['pool:way', 'flow', 'the recorder', { id: 7n, phase: 'start' }],
        ['pool:queue', 'counter', 'the recorder', { value: 12 }],
        ['memory', 'counter', 'the recorder', { heap: 1, external: 2 }],
        ['pool:way', 'flow', expect.any(String), { id: 7n, phase: 'step' }],
        ['pool:way', 'flow', expect.any(String), { id: 7n, phase: 'end' }],
        ['pool:task:end', 'async-end', expect.any(String), { id: 7n, outcome: 'ok', bytes: 512 }],
        ['pool:task:end', 'async-end', 'the recorder', { id: 8n, outcome: 'failed', bytes: 0 }],
      ],
    )

    const { facts } = openTrace(folder)
    expect(facts?.threads.map(({ threadId, runs }) => [threadId, runs.endsWith('kinds.mjs')])).toEqual([
      [2, true],
      [0, true],
    ])
    const [worker, main] = facts?.threads ?? []
    expect(worker.went).toBeGreaterThan(worker.came)
    expect(main).toMatchObject({ went: undefined, threadName: 'the recorder' })
    expect(facts?.cuts.map(({ span, threadId }) => [span, threadId])).toEqual([
      ['tile:bare', 2],
      ['tile:decode', 0],
    ])
    for (const { start: from, at } of facts?.cuts ?? []) expect(at).toBeGreaterThan(from)

    // The same as items: each is what it means.
    const items = [...openTrace(folder).items()]
    const told = items.map((item) => ('event' in item ? `${item.type} ${item.event.name}` : item.type))
    expect(told.filter((each) => !/^(span|loss|thread)/.test(each))).toEqual([
      'event a:event',
      'event a:event',
      'async pool:task:begin',
      'flow pool:way',
      'counter pool:queue',
      'counter memory',
      'flow pool:way',
      'flow pool:way',
      'async pool:task:end',
      'async pool:task:end',
    ])
    // When the worker was found dead is a matter of luck.
    expect(told.filter((each) => each === 'thread')).toHaveLength(3)
    expect(items.map(({ time }) => time)).toEqual(items.map(({ time }) => time).sort((a, b) => Number(a - b)))
    const lost = items.flatMap((item) => (item.type === 'loss' ? [item.events] : []))
    expect(lost.reduce((sum, count) => sum + count, 0)).toBe(8)
    const late = items.find((item) => item.type === 'event' && item.at !== item.time)
    expect(late).toMatchObject({ at: start, fields: { x: 2 }, thread: { threadId: 0, name: 'the recorder' } })
    const cut = items.filter((item) => item.type === 'span' && item.outcome === 'cut')
    expect(cut).toMatchObject([
      { event: { name: 'tile:bare' }, thread: { threadId: 2 } },
      { event: { name: 'tile:decode' }, thread: { threadId: 0 } },
    ])
    const [first] = items.filter((item) => item.type === 'span')
    expect(first).toMatchObject({
      event: { fields: [{ name: 'id' }, { name: 'ms' }] },
      fields: { id: 0, ms: 0 },
    })

    // Filters.
    const some = [...openTrace(folder).items({ events: ['pool:*', '!pool:way'], threads: [2] })]
    const names = some.flatMap((item) => ('event' in item ? [item.event.name] : []))
    // A cut span is of no thread that is asked for, or of no such name.
    expect(names).toEqual(['pool:task:end'])
    const { time } = items[3]
    expect([...openTrace(folder).items({ from: time })].length).toBe(
      items.filter((item) => item.time >= time).length,
    )
    expect([...openTrace(folder).items({ to: time })].length).toBe(
      items.filter((item) => item.time < time).length,
    )
  })
})

test('a result that only looks like a promise ends its span, and is returned as it is', async () => {
  const { startRecording, span } = await import('@rchan/trace')
  const folder = freshFolder()
  const odd = span('kinds:odd', { n: 'u32' })
  const recording = await startRecording({ path: folder })
  // oxlint-disable unicorn/no-thenable -- that is what is tested
  const getter = Object.defineProperty({}, 'then', {
    get() {
      throw new Error('not for you')
    },
  })
  const broken = {
    then() {
      throw new Error('no promise')
    },
  }
  const twice = {
    then(done: (value: unknown) => void) {
      done(1)
      done(2)
      return 'both'
    },
  }
  // oxlint-enable unicorn/no-thenable
  expect(odd.run({ n: 0 }, () => getter)).toBe(getter)
  expect(odd.run({ n: 1 }, () => broken)).toBe(broken)
  expect(odd.run({ n: 2 }, () => twice)).toBe('both')
  const summary = await recording.stop()
  expect([summary.events, summary.discarded]).toEqual([3, 0])
  expect(opened(summary).map(({ fields }) => [fields.n, fields.outcome])).toEqual([
    [0, 'ok'],
    [1, 'ok'],
    [2, 'ok'],
  ])
})

describe('a recording that runs', () => {
  test('is followed, item by item, until it has ended', async () => {
    const { startRecording, span } = await import('@rchan/trace')
    const folder = freshFolder()
    const live = span('kinds:live', { n: 'u32' })
    const recording = await startRecording({ path: folder })
    const seen: unknown[] = []
    const followed = (async () => {
      for await (const item of openTrace(folder).follow()) if (item.type === 'span') seen.push(item.fields.n)
    })()
    for (let n = 0; n < 3; n += 1) {
      live.run({ n }, () => n)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBeGreaterThan(0)
    live.run({ n: 3 }, () => 3)
    await recording.stop()
    await followed
    expect(seen).toEqual([0, 1, 2, 3])
  })

  test('is followed into the further files of a stream', async () => {
    const { startRecording, tracepoint } = await import('@rchan/trace')
    const folder = freshFolder()
    const long = tracepoint('kinds:long', { n: 'u32', text: 'string' })
    const recording = await startRecording({ path: folder, bufferSize: 2 ** 23 })
    const text = 'x'.repeat(2000)
    const seen: unknown[] = []
    const followed = (async () => {
      for await (const item of openTrace(folder).follow()) if (item.type === 'event') seen.push(item.fields.n)
    })()
    long({ n: 0, text })
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(1)
    // A first file has 4 MiB.
    for (let n = 1; n < 3000; n += 1) long({ n, text })
    await recording.stop()
    expect(openTrace(folder).streams.length).toBeGreaterThan(1)
    await followed
    expect(seen).toEqual(Array.from({ length: 3000 }, (_, n) => n))
  })

  test('is followed until a time, or until a signal', async () => {
    const { now, startRecording, span } = await import('@rchan/trace')
    const folder = freshFolder()
    const live = span('kinds:until', { n: 'u32' })
    const recording = await startRecording({ path: folder })
    live.run({ n: 0 }, () => 0)
    const to = now()
    live.run({ n: 1 }, () => 1)
    const seen: unknown[] = []
    for await (const item of openTrace(folder).follow({ to }))
      if (item.type === 'span') seen.push(item.fields.n)
    expect(seen).toEqual([0])

    const stop = new AbortController()
    const all: unknown[] = []
    const followed = (async () => {
      for await (const item of openTrace(folder).follow({ signal: stop.signal })) {
        if (item.type === 'span') all.push(item.fields.n)
      }
    })()
    await expect.poll(() => all.length, { timeout: 20_000 }).toBe(2)
    stop.abort()
    await followed
    expect(all).toEqual([0, 1])
    expect(() => openTrace(folder).follow({ signal: 'stop' as never })).toThrow(/signal is not that of/)
    await recording.stop()
  })
})
