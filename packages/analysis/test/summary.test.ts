import { summarize, summaryText, wholeSpans } from '@rchan/analysis'
import { t } from '@rchan/ctf'
import { expect, test } from 'vitest'
import { MadeTrace } from '../../export/test/made-trace.ts'

const MS = 1_000_000n

function simple() {
  const trace = new MadeTrace()
  const process = trace.process(1234)
  return { trace, process, main: trace.thread(process, 0), worker: trace.thread(process, 3, 'decoder') }
}

function tasks() {
  const made = simple()
  const begin = made.trace.event('task:begin', { name: 'string' }, 'async-begin')
  const end = made.trace.event('task:end', { bytes: t.u32({ unit: 'bytes' }) }, 'async-end')
  return { ...made, begin, end }
}

function spansOf(trace: MadeTrace): unknown[][] {
  return [...wholeSpans(trace.items())].map(
    ({ name, start, end, outcome, cutAtStart, hasLosses, fields }) => [
      name,
      start,
      end,
      outcome,
      ...(cutAtStart ? ['begin missing'] : []),
      ...(hasLosses ? ['hasLosses'] : []),
      fields,
    ],
  )
}

test('the begin and the end of an asynchronous span become one, over threads', () => {
  const { trace, main, worker, begin, end } = tasks()
  trace.begin(main, begin, 1n, 10n, { name: 'a' }).begin(main, begin, 2n, 11n, { name: 'b' })
  trace.end(worker, end, 2n, 20n, { bytes: 5 }, 'failed').end(main, end, 1n, 30n, { bytes: 6 })
  const spans = [...wholeSpans(trace.items())]
  expect(spans).toMatchObject([
    { kind: 'async', id: 2n, thread: main, endThread: worker, start: 11n, end: 20n, outcome: 'failed' },
    { kind: 'async', id: 1n, thread: main, endThread: main, start: 10n, end: 30n, outcome: 'ok' },
  ])
  expect(spans[0].fields).toEqual({ name: 'b', bytes: 5 })
})

test('what has no end is cut at the end of its process, what has no begin at its start', () => {
  const { trace, main, begin, end } = tasks()
  const other = trace.thread(trace.process(99), 0)
  trace.happened(main, trace.event('e'), 5n).begin(main, begin, 1n, 10n, { name: 'a' })
  trace.end(main, end, 7n, 20n, { bytes: 1 }).end(other, end, 1n, 50n, { bytes: 2 })
  expect(spansOf(trace)).toEqual([
    ['task', 5n, 20n, 'ok', 'begin missing', { bytes: 1 }],
    ['task', 50n, 50n, 'ok', 'begin missing', { bytes: 2 }],
    ['task', 10n, 20n, 'cut', { name: 'a' }],
  ])
})

test('a begin under an id that is open cuts the older span', () => {
  const { trace, main, begin, end } = tasks()
  trace.begin(main, begin, 1n, 10n).begin(main, begin, 1n, 20n).end(main, end, 1n, 30n)
  expect(spansOf(trace)).toEqual([
    ['task', 10n, 20n, 'cut', {}],
    ['task', 20n, 30n, 'ok', {}],
  ])
})

test('spans during which their thread lost records are marked', () => {
  const { trace, main, worker, begin, end } = tasks()
  const span = trace.event('s', {}, 'span')
  trace.begin(main, begin, 1n, 5n).loss(worker, 10n, 20n)
  trace.span(worker, span, 0n, 9n, {}, 'ok', 21n).span(worker, span, 0n, 10n, {}, 'ok', 21n)
  trace.span(worker, span, 12n, 13n, {}, 'ok', 21n).span(worker, span, 21n, 22n).span(main, span, 0n, 30n)
  trace.add({ type: 'gap', time: 40n, from: 35n, to: 40n, cpu: main.cpu, packets: 1 })
  trace.span(main, span, 31n, 41n).end(worker, end, 1n, 50n)
  expect(spansOf(trace)).toEqual([
    ['s', 0n, 9n, 'ok', {}],
    ['s', 0n, 10n, 'ok', 'hasLosses', {}],
    ['s', 12n, 13n, 'ok', 'hasLosses', {}],
    ['s', 21n, 22n, 'ok', {}],
    ['s', 0n, 30n, 'ok', {}],
    ['s', 31n, 41n, 'ok', 'hasLosses', {}],
    ['task', 5n, 50n, 'ok', 'hasLosses', {}],
  ])
})

test('hundreds of losses keep marking what they touch', () => {
  const { trace, main } = simple()
  for (let n = 0n; n < 1000n; n += 1n) trace.loss(main, n * 10n + 100n, n * 10n + 101n)
  const span = trace.event('s', {}, 'span')
  trace.span(main, span, 150n, 151n, {}, 'ok', 20_000n).span(main, span, 0n, 99n, {}, 'ok', 20_000n)
  trace.span(main, span, 10_092n, 10_099n, {}, 'ok', 20_000n)
  expect([...wholeSpans(trace.items())].map(({ hasLosses }) => hasLosses)).toEqual([true, false, false])
})

test('a summary has count, rate, durations and number fields of each tracepoint', () => {
  const { trace, main, worker, begin, end } = tasks()
  const span = trace.event('s', { n: 'i64', at: t.struct({ x: 'f32' }), text: 'string' }, 'span', 'debug')
  const event = trace.event('e')
  trace.happened(main, event, 0n).begin(main, begin, 1n, 0n)
  for (let n = 1n; n <= 100n; n += 1n) {
    trace.span(worker, span, 10n * n * MS, 10n * n * MS + n * 1000n, { n, at: { x: 0.5 }, text: '' })
  }
  trace.span(worker, span, 0n, 1500n * MS, { n: -5n, at: { x: NaN } }, 'cut')
  trace.end(worker, end, 1n, 2000n * MS, { bytes: 7 }, 'failed')
  const { tracepoints, durationNs, events, startedAt } = summarize(trace)
  expect({ durationNs, events, startedAt }).toEqual({
    durationNs: 2e9,
    events: 104,
    startedAt: '2023-11-14T22:13:20.000000000Z',
  })
  expect(tracepoints).toMatchObject([
    { name: 'e', kind: 'event', level: 'info', count: 1, perSecond: 0.5, fields: [] },
    {
      name: 's',
      kind: 'span',
      level: 'debug',
      count: 101,
      failed: 0,
      cut: 1,
      withLosses: 0,
      durations: { count: 100, min: 1000, max: 100_000, mean: 50_500 },
      fields: [
        { name: 'n', count: 101, min: -5, max: 100, p50: 50, p99: 99 },
        { name: 'at.x', count: 100, p50: 0.5, notFinite: 1 },
      ],
    },
    {
      name: 'task',
      kind: 'async',
      count: 1,
      failed: 1,
      durations: { count: 1, max: 2e9 },
      fields: [{ name: 'bytes', unit: 'bytes', max: 7 }],
    },
  ])
  const { p50 = 0, p99 = 0 } = tracepoints[1].durations ?? {}
  expect(Math.abs(p50 - 50_000)).toBeLessThan(50_000 / 128)
  expect(Math.abs(p99 - 99_000)).toBeLessThan(99_000 / 128)
})

test('a summary has the time, load, events and losses of each thread; nested spans count once', () => {
  const { trace, main, worker } = simple()
  const span = trace.event('s', {}, 'span')
  trace.add({ type: 'thread', time: 0n, thread: main, phase: 'came', runs: '/app.js' })
  trace.add({ type: 'thread', time: 100n, thread: worker, phase: 'came' })
  trace.span(worker, span, 110n, 120n).span(worker, span, 105n, 130n).span(worker, span, 140n, 150n)
  trace.loss(worker, 160n, 170n, 9)
  trace.add({ type: 'thread', time: 200n, thread: worker, phase: 'went', how: 'terminated' })
  trace.happened(main, trace.event('e'), 300n)
  trace.add({ type: 'gap', time: 300n, from: 200n, to: 300n, cpu: 3, packets: 2 })
  const { threads, lost, packetsMissing } = summarize(trace)
  expect({ lost, packetsMissing }).toEqual({ lost: 9, packetsMissing: 2 })
  expect(threads).toEqual([
    {
      pid: 1234,
      threadId: 0,
      name: '',
      cpu: 0,
      generation: 0,
      runs: '/app.js',
      fromNs: 0,
      toNs: 300,
      events: 1,
      busyNs: 0,
      load: 0,
      lost: 0,
    },
    {
      pid: 1234,
      threadId: 3,
      name: 'decoder',
      cpu: 3,
      generation: 0,
      fromNs: 100,
      toNs: 200,
      how: 'terminated',
      events: 3,
      busyNs: 35,
      load: 0.35,
      lost: 9,
    },
  ])
})

test('a summary can be written as JSON, also of nothing', () => {
  const { trace, main } = simple()
  trace.happened(main, trace.event('e', { n: 'u64' }), 2n ** 60n, { n: 2n ** 64n - 1n })
  for (const made of [trace, new MadeTrace()]) {
    const summary = summarize(made)
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary)
  }
  expect(summaryText(summarize(new MadeTrace()))).toBe('The trace has no events.\n')
})

test('a summary as text is aligned, with units', () => {
  const { trace, main, worker } = simple()
  const span = trace.event(
    'tile:decode',
    { bytes: t.u32({ unit: 'bytes' }), ms: t.f64({ unit: 'ms' }) },
    'span',
  )
  trace.happened(main, trace.event('log'), 0n)
  trace.span(worker, span, 1000n, 2_001_000n, { bytes: 2048, ms: 1.5 })
  trace.span(worker, span, 3_000_000n, 3_000_900n, { bytes: 100, ms: 0.25 }, 'failed')
  trace.loss(worker, 4_000_000n, 4_000_000n, 1234)
  expect(summaryText(summarize(trace))).toBe(`\
4.00 ms from 2023-11-14T22:13:20.000000000Z: 3 events of 2 threads, 1,234 lost

tracepoint   kind   count  per second     p50       p99       max
log          event      1         250
tile:decode  span       2         500  900 ns   2.00 ms   2.00 ms  1 failed
  bytes                                 100 B  2.00 KiB  2.00 KiB
  ms                                   250 µs   1.50 ms   1.50 ms

thread   id    since     time    load  events   lost
main      0     0 ns  4.00 ms   0.0 %       1      0
decoder   3  1.00 µs  4.00 ms  50.0 %       2  1,234
`)
})

test('names can not steer a terminal', () => {
  const { trace, process } = simple()
  trace.happened(trace.thread(process, 1, 'a\u001b[2J\u202e'), trace.event('e'), 0n)
  expect(summaryText(summarize(trace))).toContain('a\ufffd[2J\ufffd')
})
