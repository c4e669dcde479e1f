import { t } from '@rchan/ctf'
import { toChrome } from '@rchan/export'
import { expect, test } from 'vitest'
import { MadeTrace, WALL_OFFSET } from './made-trace.ts'

type Entry = Record<string, any>

const SECOND = 1_000_000_000n
/** µs at the first item. */
const T0 = 1_000_000

function fileOf(trace: MadeTrace): Record<string, any> {
  return JSON.parse([...toChrome(trace)].join('')) as Record<string, any>
}

/** The entries of a file without names. */
function entriesOf(trace: MadeTrace): Entry[] {
  return (fileOf(trace).traceEvents as Entry[]).filter(({ ph }) => ph !== 'M')
}

function simple() {
  const trace = new MadeTrace()
  const process = trace.process(1234)
  const main = trace.thread(process, 0)
  const worker = trace.thread(process, 3, 'decoder')
  // So that times count from here.
  const event = trace.event('nothing', { value: 'f64' }, 'counter')
  trace.add({ type: 'counter', time: SECOND, thread: main, event, fields: { value: NaN } })
  return { trace, process, main, worker }
}

test('a trace without items is valid', () => {
  expect(fileOf(new MadeTrace())).toEqual({ displayTimeUnit: 'ms', traceEvents: [] })
})

test('says which moment of the clocks ts 0 is', () => {
  const { trace } = simple()
  expect(fileOf(trace).otherData).toEqual({ clockOfTs0: '0', wallClockOfTs0: String(WALL_OFFSET) })
})

test('names and sorts processes and threads: the main thread first', () => {
  const trace = new MadeTrace()
  const one = trace.process(1234)
  const two = trace.process(1234, { procname: 'importer' })
  const event = trace.event('a')
  const threads = [
    trace.thread(one, 3, 'decoder'),
    trace.thread(one, 4),
    trace.thread(one, 0),
    trace.thread(two, 0),
  ]
  threads.forEach((thread, index) => trace.happened(thread, event, BigInt(index)))
  const meta = (fileOf(trace).traceEvents as Entry[]).filter(({ ph }) => ph === 'M')
  expect(meta.map(({ name, pid, tid, args }) => [name, pid, tid, Object.values(args)[0]])).toEqual([
    ['process_name', 1234, 0, 'process 1234'],
    ['process_sort_index', 1234, 0, 0],
    ['thread_name', 1234, 10_000_003, 'decoder'],
    ['thread_sort_index', 1234, 10_000_003, 1024],
    ['thread_name', 1234, 10_000_004, 'thread 4'],
    ['thread_sort_index', 1234, 10_000_004, 2048],
    ['thread_name', 1234, 1234, 'main'],
    ['thread_sort_index', 1234, 1234, 0],
    ['process_name', 1235, 0, 'importer'],
    ['process_sort_index', 1235, 0, 1],
    ['thread_name', 1235, 1235, 'main'],
    ['thread_sort_index', 1235, 1235, 0],
  ])
})

test('a span is a complete slice, named by its tracepoint, with ns', () => {
  const { trace, worker } = simple()
  const span = trace.event('tile:decode', { id: 'u32', path: 'string' }, 'span', 'warning')
  trace.span(worker, span, SECOND + 1n, SECOND + 2_000_050n, { id: 7, path: 'a.png' })
  expect(entriesOf(trace)).toEqual([
    {
      ph: 'X',
      name: 'tile:decode',
      cat: 'tile,warning',
      pid: 1234,
      tid: 10_000_003,
      ts: 1_000_000.001,
      dur: 2000.049,
      args: { id: 7, path: 'a.png' },
    },
  ])
})

test('times keep ns on a machine that has been up for years', () => {
  const { trace, main } = simple()
  const span = trace.event('s', {}, 'span')
  const late = new MadeTrace()
  const start = 2n ** 60n
  late
    .span(main, span, start + 7n, start + 9n)
    .span(main, span, start + 1_000_000_011n, start + 1_000_000_012n)
  expect(entriesOf(late).map(({ ts, dur }) => [ts, dur])).toEqual([
    [999_999.998, 0.002],
    [2_000_000.002, 0.001],
  ])
  expect([...toChrome(trace)].join('')).not.toContain('e+')
})

test('a span that began long before the first item has a negative time', () => {
  const { trace, main } = simple()
  trace.span(main, trace.event('s', {}, 'span'), -1_500n, SECOND, {})
  expect(entriesOf(trace)).toMatchObject([{ ts: -1.5, dur: 1_000_001.5 }])
})

test('spans that overlap are on further threads; those that nest are not, also from the same begin', () => {
  const { trace, main } = simple()
  const span = trace.event('s', {}, 'span')
  const at = (ns: bigint): bigint => SECOND + ns
  trace
    .span(main, span, at(10n), at(30n))
    .span(main, span, at(20n), at(40n))
    .span(main, span, at(10n), at(50n))
  const file = fileOf(trace).traceEvents as Entry[]
  expect(file.filter(({ ph }) => ph === 'X').map(({ tid }) => tid)).toEqual([1234, 15_000_000, 1234])
  expect(file.filter(({ tid, ph }) => ph === 'M' && tid === 15_000_000).map(({ args }) => args)).toEqual([
    { name: 'main 2' },
    { sort_index: 1 },
  ])
})

test('spans that failed or were cut are marked', () => {
  const { trace, main } = simple()
  const span = trace.event('s', { n: 'u8' }, 'span')
  trace.span(main, span, SECOND, SECOND, { n: 1 }, 'failed').span(main, span, SECOND, SECOND, {}, 'cut')
  expect(entriesOf(trace)).toMatchObject([
    { cat: 's,failed', args: { n: 1, 'rchan.outcome': 'failed' } },
    { cat: 's,cut', args: { 'rchan.cut': 'end' } },
  ])
})

test('an event is an instant of its thread, at its own time', () => {
  const { trace, main } = simple()
  trace.happened(main, trace.event('gc', {}, 'late-event'), SECOND + 100n, {}, SECOND + 50n)
  expect(entriesOf(trace)).toEqual([
    { ph: 'i', s: 't', name: 'gc', cat: 'gc', pid: 1234, tid: 1234, ts: T0 + 0.05, args: {} },
  ])
})

test('an asynchronous span is a pair with its id; what is missing is made and marked', () => {
  const { trace, main, worker } = simple()
  const begin = trace.event('pool:task:begin', { n: 'u8' }, 'async-begin')
  const end = trace.event('pool:task:end', { bytes: 'u8' }, 'async-end')
  const at = (ns: bigint): bigint => SECOND + ns
  trace.begin(main, begin, 2n ** 64n - 1n, at(10n), { n: 1 }).begin(main, begin, 2n, at(20n))
  trace.end(worker, end, 2n ** 64n - 1n, at(30n), { bytes: 5 }, 'failed').end(worker, end, 3n, at(40n))
  const entries = entriesOf(trace)
  for (const entry of entries) expect(entry).toMatchObject({ name: 'pool:task', cat: 'pool:task', pid: 1234 })
  expect(entries.map(({ ph, id2, ts, tid, args }) => [ph, id2.local, ts, tid, args])).toEqual([
    ['b', '0xffffffffffffffff', T0 + 0.01, 1234, { n: 1 }],
    ['b', '0x2', T0 + 0.02, 1234, {}],
    ['e', '0xffffffffffffffff', T0 + 0.03, 10_000_003, { bytes: 5, 'rchan.outcome': 'failed' }],
    ['b', '0x3', T0, 10_000_003, { 'rchan.cut': 'start' }],
    ['e', '0x3', T0 + 0.04, 10_000_003, {}],
    ['e', '0x2', T0 + 0.04, 1234, { 'rchan.cut': 'end' }],
  ])
})

test('the points of a flow have one id; the last is bound to the slice that it is in', () => {
  const { trace, main, worker } = simple()
  const event = trace.event('job', { n: 'u8' }, 'flow')
  const part = { type: 'flow', id: 7n, event, fields: { n: 1 }, time: SECOND } as const
  trace.add(
    { ...part, phase: 'start', thread: main },
    { ...part, phase: 'step', thread: worker },
    { ...part, phase: 'end', thread: main },
    { ...part, phase: 'start', thread: main, id: 8n },
  )
  const all = entriesOf(trace)
  // Each is an instant, too: DevTools draws arrows between these.
  const instants = all.filter(({ ph }) => ph === 'i')
  const entries = all.filter(({ ph }) => ph !== 'i')
  expect(instants.map(({ ts, tid }) => [ts, tid])).toEqual(entries.map(({ ts, tid }) => [ts, tid]))
  expect(instants[0]).toMatchObject({ name: 'job', cat: 'job', args: { n: 1 } })
  expect(entries.map(({ ph, bp }) => [ph, bp])).toEqual([
    ['s', undefined],
    ['t', undefined],
    ['f', 'e'],
    ['s', undefined],
  ])
  const ids = entries.map(({ id }) => id as string)
  expect(ids.slice(0, 3)).toEqual([ids[0], ids[0], ids[0]])
  expect(ids[3]).not.toBe(ids[0])
  expect(entries[0]).toMatchObject({ name: 'job', cat: 'job' })
})

test('a counter has all its series, of its thread; what is no finite number is left out', () => {
  const { trace, main } = simple()
  const event = trace.event('heap', { used: 'u64', ratio: 'f64', label: 'string' }, 'counter')
  const part = { type: 'counter', time: SECOND, thread: main, event } as const
  trace.add({ ...part, fields: { used: 2n ** 60n, ratio: 0.5, label: 'x' } })
  trace.add({ ...part, fields: { used: 1n, ratio: NaN, label: 'x' } })
  expect(entriesOf(trace).map(({ ph, name, id, args }) => [ph, name, id, args])).toEqual([
    ['C', 'heap', 'main (1234)', { used: 2 ** 60, ratio: 0.5 }],
    ['C', 'heap', 'main (1234)', { used: 1 }],
  ])
})

test('every value is valid JSON', () => {
  const { trace, main } = simple()
  const event = trace.event('all', {
    small: 'u64',
    big: 'u64',
    nan: 'f64',
    infinite: 'f64',
    text: 'string',
    raw: 'bytes',
    list: t.seq('i64'),
    point: t.struct({ x: 'f32', yes: 'bool' }),
    absent: t.optional('u8'),
  })
  trace.happened(main, event, SECOND, {
    small: 5n,
    big: 2n ** 64n - 1n,
    nan: NaN,
    infinite: -Infinity,
    text: '\0"\\\ud800\udbff\u2028 \\ud800 é',
    raw: new Uint8Array([0, 255]),
    list: [1n, -(2n ** 63n)],
    point: { x: 0.5, yes: true },
    absent: undefined,
  })
  const text = [...toChrome(trace)].join('')
  expect(entriesOf(trace)[0].args).toEqual({
    small: 5,
    big: '18446744073709551615',
    nan: 'NaN',
    infinite: '-Infinity',
    text: '\0"\\\ufffd\ufffd\u2028 \\ud800 é',
    raw: 'AP8=',
    list: [1, '-9223372036854775808'],
    point: { x: 0.5, yes: true },
  })
  expect(Buffer.from(text).toString()).toBe(text)
})

test('losses and missing packets are shown, and may overlap', () => {
  const { trace, main } = simple()
  trace.loss(main, SECOND, SECOND + 2000n, 17)
  trace.add({
    type: 'gap',
    time: SECOND + 3000n,
    from: SECOND + 1000n,
    to: SECOND + 3000n,
    cpu: 3,
    packets: 2,
  })
  expect(
    entriesOf(trace).map(({ ph, name, id2, pid, ts, args }) => [ph, name, id2.local, pid, ts, args]),
  ).toEqual([
    ['b', 'lost events', '0x1', 1234, T0, { cpu: 0, events: 17 }],
    ['e', 'lost events', '0x1', 1234, T0 + 2, {}],
    ['b', 'missing packets', '0x2', 0, T0 + 1, { cpu: 3, packets: 2 }],
    ['e', 'missing packets', '0x2', 0, T0 + 3, {}],
  ])
})

test('threads say when they came and went', () => {
  const { trace, process } = simple()
  const thread = trace.thread(process, 5)
  trace.add(
    { type: 'thread', time: SECOND, thread, phase: 'came', runs: '/app/worker.js' },
    { type: 'thread', time: SECOND, thread, phase: 'went', how: 'ended' },
  )
  const file = fileOf(trace).traceEvents as Entry[]
  expect(file.filter(({ ph }) => ph === 'i').map(({ name, args }) => [name, args])).toEqual([
    ['thread came', { runs: '/app/worker.js' }],
    ['thread went', { how: 'ended' }],
  ])
})
