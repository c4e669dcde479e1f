import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { t } from '@rchan/ctf'
import { toPerfetto } from '@rchan/export'
import { describe, expect, test } from 'vitest'
import { MadeTrace, WALL_OFFSET } from './made-trace.ts'
import { decode, PROTO, read, type Model } from './perfetto-model.ts'

function bytesOf(trace: MadeTrace): Buffer {
  return Buffer.concat([...toPerfetto(trace)])
}

function modelOf(trace: MadeTrace): Model {
  return read(bytesOf(trace))
}

/** A trace with two threads of a process. */
function simple() {
  const trace = new MadeTrace()
  const process = trace.process(1234)
  return { trace, process, main: trace.thread(process, 0), worker: trace.thread(process, 3, 'decoder') }
}

test('a trace without items is an empty file', () => {
  expect(bytesOf(new MadeTrace()).length).toBe(0)
})

test('the first packet places the clock on the wall clock; it is the primary one', () => {
  const { trace, main } = simple()
  trace.happened(main, trace.event('a'), 5_000_000_000n)
  const [first, ...rest] = decode(bytesOf(trace))
  expect(first.clock_snapshot).toEqual({
    clocks: [
      { clock_id: 3, timestamp: '5000000000' },
      { clock_id: 1, timestamp: String(WALL_OFFSET + 5_000_000_000n) },
    ],
    primary_trace_clock: 3,
  })
  expect(rest.filter((packet) => packet.clock_snapshot !== undefined)).toEqual([])
})

test('processes and threads have tracks with their ids and names', () => {
  const trace = new MadeTrace()
  const one = trace.process(1234)
  const two = trace.process(1234, { procname: 'importer' })
  const event = trace.event('a')
  const threads = [
    trace.thread(one, 0),
    trace.thread(one, 3, 'decoder'),
    trace.thread(one, 4),
    trace.thread(two, 0),
    trace.thread(two, 3),
  ]
  threads.forEach((thread, index) => trace.happened(thread, event, BigInt(index)))
  const { descriptors, tracks } = modelOf(trace)
  expect(descriptors.filter(({ process }) => process !== undefined).map(({ process }) => process)).toEqual([
    { pid: 1234, process_name: 'process 1234' },
    { pid: 1235, process_name: 'importer' },
  ])
  expect(descriptors.filter(({ thread }) => thread !== undefined).map(({ thread }) => thread)).toEqual([
    { pid: 1234, tid: 1234, thread_name: 'main' },
    { pid: 1234, tid: 10_000_003, thread_name: 'decoder' },
    { pid: 1234, tid: 10_000_004, thread_name: 'thread 4' },
    { pid: 1235, tid: 1235, thread_name: 'main' },
    { pid: 1235, tid: 20_000_003, thread_name: 'thread 3' },
  ])
  expect([...tracks.values()]).toContain('importer/thread 3')
})

test('a span is a slice with its name, its group as category, its fields', () => {
  const { trace, worker } = simple()
  const decodeSpan = trace.event('tile:decode', { id: 'u32' }, 'span', 'warning')
  trace.span(worker, decodeSpan, 1000n, 2500n, { id: 7 })
  expect(modelOf(trace).slices).toEqual([
    {
      name: 'tile:decode',
      track: 'process 1234/decoder',
      start: 1000n,
      end: 2500n,
      depth: 0,
      categories: ['tile', 'warning'],
      args: { id: { uint: '7' } },
    },
  ])
})

test('nested spans nest, whatever the order in which they came', () => {
  const { trace, main } = simple()
  const outer = trace.event('outer', {}, 'span')
  const inner = trace.event('inner', {}, 'span')
  trace.span(main, inner, 20n, 30n).span(main, inner, 30n, 40n).span(main, outer, 10n, 40n)
  trace.span(main, inner, 40n, 40n).span(main, inner, 40n, 50n)
  const { slices } = modelOf(trace)
  expect(slices.map(({ name, start, end, depth }) => [name, start, end, depth])).toEqual([
    ['outer', 10n, 40n, 0],
    ['inner', 20n, 30n, 1],
    ['inner', 30n, 40n, 1],
    ['inner', 40n, 40n, 0],
    ['inner', 40n, 50n, 0],
  ])
  expect(new Set(slices.map(({ track }) => track)).size).toBe(1)
})

test('spans that overlap, or begin where one in them does, get further tracks of their thread', () => {
  const { trace, main } = simple()
  const span = trace.event('s', {}, 'span')
  trace
    .span(main, span, 10n, 30n)
    .span(main, span, 20n, 40n)
    .span(main, span, 10n, 40n)
    .span(main, span, 40n, 41n)
  const { slices } = modelOf(trace)
  expect(slices.map(({ track, start, end }) => [track, start, end])).toEqual([
    ['process 1234/main', 10n, 30n],
    ['process 1234/main/main 2', 10n, 40n],
    ['process 1234/main/main 2', 20n, 40n],
    ['process 1234/main', 40n, 41n],
  ])
})

test('spans in any order come out with their own times, on tracks where they nest', () => {
  let seed = 1
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  for (let round = 0; round < 300; round += 1) {
    const { trace, main } = simple()
    const span = trace.event('s', { n: 'u32' }, 'span')
    const given: [number, bigint, bigint][] = []
    for (let n = 0; n < 30; n += 1) {
      const start = BigInt(random(40))
      given.push([n, start, start + BigInt(random(12))])
    }
    // Half of the rounds as they end, half in any order, as late ones come.
    if (round % 2 === 0) given.sort((a, b) => Number(a[2] - b[2]))
    for (const [n, start, end] of given) trace.span(main, span, start, end, { n }, 'ok', 100n)
    const found = modelOf(trace).slices.map(({ args, start, end }) => [
      Number((args.n as { uint: string }).uint),
      start,
      end,
    ])
    // Two slices with the same begin on one track can be told apart only by what they have in them,
    // so the pairs of equal begins are compared as sets of times.
    const key = (all: unknown[][]): string[] => all.map((one) => one.join(' ')).sort()
    expect(key(found)).toEqual(key(given))
  }
})

test('a span that failed and one that was cut are marked', () => {
  const { trace, main } = simple()
  const span = trace.event('s', {}, 'span')
  trace.span(main, span, 1n, 2n, {}, 'failed').span(main, span, 3n, 4n, {}, 'cut')
  const { slices } = modelOf(trace)
  expect(slices.map(({ categories, args }) => [categories, args])).toEqual([
    [['s', 'failed'], { 'rchan.outcome': { string: 'failed' } }],
    [['s', 'cut'], { 'rchan.cut': { string: 'end' } }],
  ])
})

test('an event is an instant at its own time', () => {
  const { trace, main } = simple()
  const event = trace.event('gc:seen', { ms: 'f64' }, 'late-event')
  trace.happened(main, event, 100n, { ms: 1 }, 60n)
  expect(modelOf(trace).instants).toMatchObject([
    { name: 'gc:seen', start: 60n, args: { ms: { double: 1 } }, track: 'process 1234/main' },
  ])
})

test('fields of every type are annotations', () => {
  const { trace, main } = simple()
  const event = trace.event('all', {
    u8: 'u8',
    u64: 'u64',
    i32: 'i32',
    i64: 'i64',
    f32: 'f32',
    f64: 'f64',
    yes: 'bool',
    no: 'bool',
    text: 'string',
    path: 'interned',
    result: t.enum('hit', 'miss'),
    raw: 'bytes',
    list: t.seq('i16'),
    wide: t.array('u64', 2),
    point: t.struct({ x: 'f32', inner: t.struct({ y: 'u8' }) }),
    there: t.optional('u32'),
    absent: t.optional('u32'),
  })
  trace.happened(main, event, 1n, {
    u8: 255,
    u64: 2n ** 64n - 1n,
    i32: -5,
    i64: -(2n ** 63n),
    f32: 1,
    f64: NaN,
    yes: true,
    no: false,
    text: 'a\0b\ud800é',
    path: '/x',
    result: 'miss',
    raw: new Uint8Array([0, 255]),
    list: [-1, 2],
    wide: [1n, 2n ** 63n],
    point: { x: 0.5, inner: { y: 3 } },
    there: 9,
    absent: undefined,
  })
  expect(modelOf(trace).instants[0].args).toEqual({
    u8: { uint: '255' },
    u64: { uint: '18446744073709551615' },
    i32: { int: '-5' },
    i64: { int: '-9223372036854775808' },
    f32: { double: 1 },
    f64: { double: NaN },
    yes: { bool: true },
    no: { bool: false },
    text: { string: 'a\0b\ufffdé' },
    path: { string: '/x' },
    result: { string: 'miss' },
    raw: { string: '00ff' },
    list: [{ int: '-1' }, { int: '2' }],
    wide: [{ uint: '1' }, { uint: '9223372036854775808' }],
    point: { x: { double: 0.5 }, inner: { y: { uint: '3' } } },
    there: { uint: '9' },
  })
})

test.each([
  0n,
  1n,
  127n,
  128n,
  2n ** 28n,
  2n ** 32n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n + 5n,
  2n ** 64n - 1n,
])('the whole number %s of 64 bits is exact', (value) => {
  const { trace, main } = simple()
  const event = trace.event('e', { u: 'u64', i: 'i64' })
  const signed = BigInt.asIntN(64, -value)
  trace.happened(main, event, value, { u: value, i: signed })
  const [instant] = modelOf(trace).instants
  expect(instant.args).toEqual({ u: { uint: String(value) }, i: { int: String(signed) } })
  expect(instant.start).toBe(value)
})

describe('asynchronous spans', () => {
  function tasks() {
    const made = simple()
    const begin = made.trace.event('pool:task:begin', { name: 'string' }, 'async-begin')
    const end = made.trace.event('pool:task:end', { bytes: 'u32' }, 'async-end')
    return { ...made, begin, end }
  }

  test('that overlap have a track each, named alike; a free one is used again', () => {
    const { trace, main, worker, begin, end } = tasks()
    trace.begin(main, begin, 1n, 10n, { name: 'a' }).begin(main, begin, 2n, 11n, { name: 'b' })
    trace
      .end(worker, end, 1n, 20n, { bytes: 5 }, 'failed')
      .begin(main, begin, 3n, 20n)
      .end(worker, end, 3n, 25n)
    trace.end(worker, end, 2n, 30n)
    const { slices, tracks } = modelOf(trace)
    expect(slices.map(({ name, start, end: until, args }) => [name, start, until, args])).toEqual([
      [
        'pool:task',
        10n,
        20n,
        { name: { string: 'a' }, bytes: { uint: '5' }, 'rchan.outcome': { string: 'failed' } },
      ],
      ['pool:task', 11n, 30n, { name: { string: 'b' } }],
      ['pool:task', 20n, 25n, {}],
    ])
    expect([...tracks.values()].filter((name) => name === 'process 1234/pool:task').length).toBe(2)
    expect(slices.every(({ depth }) => depth === 0)).toBe(true)
  })

  test('without an end are cut at the end of their process; without a begin at its start', () => {
    const { trace, main, worker, begin, end } = tasks()
    const other = trace.thread(trace.process(99), 0)
    const event = trace.event('e')
    trace.happened(main, event, 5n).begin(main, begin, 1n, 10n).end(worker, end, 7n, 20n)
    trace.happened(main, event, 30n).happened(other, event, 50n)
    const { slices } = modelOf(trace)
    expect(slices.map(({ start, end: until, args, categories }) => [start, until, args, categories])).toEqual(
      [
        [5n, 20n, { 'rchan.cut': { string: 'start' } }, ['pool', 'cut']],
        [10n, 30n, { 'rchan.cut': { string: 'end' } }, ['pool']],
      ],
    )
  })

  test('whose begin may have been lost are drawn from the end of the loss', () => {
    const { trace, main, end } = tasks()
    trace.happened(main, trace.event('e'), 5n).loss(main, 8n, 12n, 3).end(main, end, 7n, 20n)
    expect(modelOf(trace).slices.find(({ name }) => name === 'pool:task')).toMatchObject({
      start: 12n,
      end: 20n,
    })
  })

  test('that begin again under the same id are cut there', () => {
    const { trace, main, begin, end } = tasks()
    trace.begin(main, begin, 1n, 10n).begin(main, begin, 1n, 20n).end(main, end, 1n, 30n)
    expect(modelOf(trace).slices.map(({ start, end: until, args }) => [start, until, args])).toEqual([
      [10n, 20n, { 'rchan.cut': { string: 'end' } }],
      [20n, 30n, {}],
    ])
  })
})

test('the points of a flow have one id; the last one ends it; other flows have other ids', () => {
  const { trace, main, worker, process } = simple()
  const flow = trace.event('job', { n: 'u8' }, 'flow')
  const other = trace.event('other', {}, 'flow')
  const part = { type: 'flow', id: 7n, event: flow, fields: { n: 1 } } as const
  const elsewhere = trace.thread(trace.process(process.pid + 1), 0)
  trace.add(
    { ...part, time: 1n, phase: 'start', thread: main },
    { ...part, time: 2n, phase: 'step', thread: worker },
    { ...part, time: 3n, phase: 'end', thread: main },
    { ...part, time: 4n, phase: 'start', thread: main, id: 8n },
    { ...part, time: 5n, phase: 'start', thread: main, event: other },
    { ...part, time: 6n, phase: 'start', thread: elsewhere },
  )
  const { instants } = modelOf(trace)
  const [id] = instants[0].flows
  expect(instants.slice(0, 3).map(({ flows, ends }) => [flows, ends])).toEqual([
    [[id], []],
    [[id], []],
    [[], [id]],
  ])
  expect(instants[0].args).toEqual({ n: { uint: '1' } })
  expect(new Set(instants.flatMap(({ flows, ends }) => [...flows, ...ends])).size).toBe(4)
})

test('each series of a counter has a track of its thread, with its unit', () => {
  const { trace, main, worker } = simple()
  const queue = trace.event('queue', { value: 'u32' }, 'counter')
  const heap = trace.event(
    'heap',
    { used: t.u64({ unit: 'bytes' }), ratio: t.f64({ unit: '%' }), took: t.u32({ unit: 'ns' }) },
    'counter',
  )
  trace.add(
    { type: 'counter', time: 1n, thread: main, event: queue, fields: { value: 3 } },
    { type: 'counter', time: 2n, thread: worker, event: queue, fields: { value: 4 } },
    {
      type: 'counter',
      time: 3n,
      thread: main,
      event: heap,
      fields: { used: 2n ** 63n, ratio: 0.5, took: 1 },
    },
    { type: 'counter', time: 4n, thread: main, event: heap, fields: { used: 10n, ratio: NaN, took: 2 } },
  )
  const { counters, descriptors } = modelOf(trace)
  expect(counters).toEqual([
    { track: 'process 1234/main/queue', time: 1n, value: '3' },
    { track: 'process 1234/decoder/queue', time: 2n, value: '4' },
    { track: 'process 1234/main/heap.used', time: 3n, value: 2 ** 63 },
    { track: 'process 1234/main/heap.ratio', time: 3n, value: 0.5 },
    { track: 'process 1234/main/heap.took', time: 3n, value: '1' },
    { track: 'process 1234/main/heap.used', time: 4n, value: '10' },
    { track: 'process 1234/main/heap.took', time: 4n, value: '2' },
  ])
  expect(descriptors.filter(({ counter }) => counter !== undefined).map(({ counter }) => counter)).toEqual([
    {},
    {},
    { unit: 'UNIT_SIZE_BYTES' },
    { unit_name: '%' },
    { unit: 'UNIT_TIME_NS' },
  ])
})

test('after a loss the sequence begins anew, says so, and shows it', () => {
  const { trace, main, worker } = simple()
  const event = trace.event('e', { n: 'u8' })
  trace.happened(main, event, 1n, { n: 1 }).happened(worker, event, 2n, { n: 1 })
  trace.loss(main, 3n, 5n, 17).happened(main, event, 6n, { n: 2 }).happened(worker, event, 7n, { n: 2 })
  const bytes = bytesOf(trace)
  const { dropped, slices, instants } = read(bytes)
  expect(dropped).toBe(1)
  expect(slices).toMatchObject([
    {
      name: 'lost events',
      start: 3n,
      end: 5n,
      track: 'process 1234/main/lost events',
      args: { events: { uint: '17' } },
    },
  ])
  expect(instants.length).toBe(4)
  const interned = decode(bytes).flatMap(({ interned_data: data }) => data?.event_names ?? [])
  expect(interned.map(({ name }) => name)).toEqual(['e', 'e', 'lost events', 'e'])
})

test('missing packets make all threads of the CPU begin anew', () => {
  const { trace, main, worker } = simple()
  const event = trace.event('e')
  trace.happened(main, event, 1n).happened(worker, event, 2n)
  trace.add({ type: 'gap', time: 5n, from: 3n, to: 5n, cpu: worker.cpu, packets: 2 })
  const { dropped, slices } = modelOf(trace.happened(worker, event, 6n))
  expect(dropped).toBe(1)
  expect(slices).toMatchObject([
    { track: 'losses of CPU 3', start: 3n, end: 5n, args: { packets: { uint: '2' } } },
  ])
})

test('threads say when they came and went', () => {
  const { trace, process } = simple()
  const thread = trace.thread(process, 5)
  trace.add(
    { type: 'thread', time: 1n, thread, phase: 'came', runs: '/app/worker.js' },
    { type: 'thread', time: 9n, thread, phase: 'went', how: 'ended' },
  )
  expect(modelOf(trace).instants.map(({ name, start, args }) => [name, start, args])).toEqual([
    ['thread came', 1n, { runs: { string: '/app/worker.js' } }],
    ['thread went', 9n, { how: { string: 'ended' } }],
  ])
})

test('the file comes in pieces', () => {
  const { trace, main } = simple()
  const event = trace.event('e', { text: 'string' })
  for (let i = 0; i < 1000; i += 1) trace.happened(main, event, BigInt(i), { text: 'x'.repeat(1000) })
  const pieces = [...toPerfetto(trace)]
  expect(pieces.length).toBeGreaterThan(10)
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(100_000)
  expect(read(Buffer.concat(pieces)).instants.length).toBe(1000)
})

const hasProtoc = spawnSync('protoc', ['--version']).status === 0
test.skipIf(!hasProtoc && process.env.RCHAN_REQUIRE_READERS !== '1')(
  'protoc decodes it, and knows all fields of it',
  () => {
    const { trace, main, worker } = simple()
    const event = trace.event('e', { raw: 'bytes', p: t.struct({ x: 'f64' }), l: t.seq('i8') })
    trace.happened(main, event, 1n, { raw: new Uint8Array([1]), p: { x: 1.5 }, l: [-1] })
    trace.span(worker, trace.event('s', {}, 'span'), 1n, 2n, {}, 'failed').loss(main, 3n, 5n, 17)
    const { status, stdout, stderr } = spawnSync('protoc', ['--decode=Trace', `-I${dirname(PROTO)}`, PROTO], {
      input: bytesOf(trace),
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    // A field without a definition is printed by its number.
    expect(stdout.split('\n').filter((line) => /^\s*\d+[:{ ]/.test(line))).toEqual([])
    expect(stdout).toContain('previous_packet_dropped: true')
    expect(stdout).toContain('string_value: "failed"')
    expect(stdout).toContain('double_value: 1.5')
  },
)

test('the numbers of the definitions are those that the writer uses', async () => {
  const { ANNOTATION, PACKET, TRACK, TRACK_EVENT } = await import('../dist/messages.js')
  const text = readFileSync(PROTO, 'utf8')
  const numbersOf = (message: string): number[] => {
    const [, body] = new RegExp(`^message ${message} \\{([\\s\\S]*?)^\\}`, 'm').exec(text) ?? []
    const fields = (body ?? '').matchAll(/(?:optional|repeated) .* = (\d+);/g)
    return sorted([...fields].map((match) => Number(match[1])))
  }
  expect(numbersOf('TracePacket')).toEqual(sorted(Object.values(PACKET)))
  expect(numbersOf('TrackEvent')).toEqual(sorted(Object.values(TRACK_EVENT)))
  expect(numbersOf('TrackDescriptor')).toEqual(sorted(Object.values(TRACK)))
  expect(numbersOf('DebugAnnotation')).toEqual(sorted(Object.values(ANNOTATION)))
})

function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b)
}
