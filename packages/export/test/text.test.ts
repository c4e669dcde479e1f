/** The formats that are lines of text: JSON lines and CSV. */
import { parseSchema, schemaText, t } from '@rchan/ctf'
import type { ItemFields, TraceItem } from '@rchan/ctf/reader'
import { FORMATS, toCsv, toJsonLines } from '@rchan/export'
import { expect, test } from 'vitest'
import { MadeTrace, WALL_OFFSET } from './made-trace.ts'

type Line = Record<string, any>

/** A trace with an item of each type. */
function full() {
  const trace = new MadeTrace()
  const process = trace.process(1234, { hostname: 'a"b' })
  const main = trace.thread(process, 0)
  const worker = trace.thread(process, 3, 'dé, "x"\n', 7, 2)
  const event = trace.event('log', { n: 'u64', text: 'string', list: t.seq('i64') }, 'late-event', 'error')
  const span = trace.event('s', { x: 'f64', raw: 'bytes', there: t.optional('u8') }, 'span')
  const flow = trace.event('job', {}, 'flow')
  trace.add({ type: 'thread', time: 1n, thread: main, phase: 'came', runs: '/app.js' })
  trace.happened(main, event, 2n ** 63n, { n: 2n ** 64n - 1n, text: '\0,"\ud800', list: [-1n] }, 5n)
  trace.span(worker, span, 1n, 9n, { x: -Infinity, raw: new Uint8Array([1, 255]), there: undefined }, 'cut')
  trace.begin(main, trace.event('t:begin', {}, 'async-begin'), 2n ** 64n - 1n, 10n)
  trace.end(worker, trace.event('t:end', { n: 'u8' }, 'async-end'), 1n, 11n, { n: 1 }, 'failed')
  trace.add(
    { type: 'flow', time: 12n, phase: 'step', id: 3n, thread: main, event: flow, fields: {} },
    {
      type: 'counter',
      time: 13n,
      thread: main,
      event: trace.event('q', { value: 'u32' }, 'counter'),
      fields: { value: 4 },
    },
    { type: 'gap', time: 15n, from: 14n, to: 15n, cpu: 7, packets: 2 },
    { type: 'thread', time: 16n, thread: worker, phase: 'went', how: 'ended' },
  )
  const base = { type: 'event', thread: worker, event: trace.event('other'), fields: {} } as const
  trace.add({ ...base, time: 16n, at: 16n, context: { depth: -1n, ip: 'a"b' } })
  trace.loss(worker, 17n, 18n, 5).loss(undefined, 17n, 18n, 6, 7)
  return trace
}

test('JSON lines: every item is a line, and can be made again of them', () => {
  const trace = full()
  const text = [...toJsonLines(trace)].join('')
  expect(text.endsWith('}\n')).toBe(true)
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  expect(lines[0]).toEqual({ type: 'trace', version: 1, wallClockOffset: String(WALL_OFFSET) })
  const processes = new Map(
    lines.filter(({ type }) => type === 'process').map((line) => [line.process, line]),
  )
  const classes = new Map(lines.filter(({ type }) => type === 'class').map((line) => [line.class, line]))
  const items = lines.filter(({ type }) => type !== 'trace' && type !== 'process' && type !== 'class')
  const given = [...trace.items()]
  expect(items.length).toBe(given.length)
  for (const [index, item] of given.entries()) compare(items[index], item, processes, classes)
})

/** Compares a line with the item of which it was made. */
function compare(
  line: Line,
  item: TraceItem,
  processes: Map<number, Line>,
  classes: Map<number, Line>,
): void {
  expect(line.type).toBe(item.type)
  for (const name of ['time', 'at', 'start', 'end', 'id', 'from', 'to'] as const) {
    const value = (item as unknown as Line)[name]
    if (name === 'at' && value === item.time) expect(line.at).toBeUndefined()
    else expect(line[name]).toBe(value === undefined ? undefined : String(value))
  }
  for (const name of ['outcome', 'phase', 'events', 'packets', 'runs', 'how'] as const) {
    expect(line[name]).toBe((item as unknown as Line)[name])
  }
  const thread = item.type === 'gap' ? undefined : item.thread
  expect(line.cpu).toBe(thread?.cpu ?? (item as { cpu: number }).cpu)
  if (thread !== undefined) {
    expect(line).toMatchObject({
      threadId: thread.threadId,
      thread: thread.name,
      generation: thread.generation,
    })
    const { pid, folder, env } = thread.process
    expect(processes.get(line.process)).toMatchObject({ pid, folder, env })
  }
  if (!('event' in item)) return
  const { name, kind = 'event', level = 'info' } = item.event
  const described = classes.get(line.class) as Line
  expect(described).toMatchObject({ name, kind, level })
  // The types are those of schemas.
  const fields = (described.fields as Line[]).map((field) => [field.name, field.type])
  const schema = parseSchema(JSON.stringify(['x', ...fields]))
  expect(schema).toBeDefined()
  expect(line.name).toBe(item.type === 'async' ? item.name : name)
  const { context } = item as { readonly context?: ItemFields }
  expect(line.context).toEqual(context && mapped(context))
  const values = Object.entries(item.fields).filter(([, value]) => value !== undefined)
  expect(Object.keys(line.fields)).toEqual(values.map(([field]) => field))
  for (const [field, value] of values) expect(line.fields[field]).toEqual(plain(value))
}

function mapped(values: ItemFields): unknown {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, plain(value)]))
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value === 'string') return value.replaceAll(/\p{Cs}/gu, '\ufffd')
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return Array.isArray(value) ? value.map(plain) : value
}

test('JSON lines: a schema of a class is described as it is declared', () => {
  const trace = new MadeTrace()
  const main = trace.thread(trace.process(1), 0)
  const event = trace.event('e', { a: t.u32({ unit: 'bytes', base: 16 }), b: t.enum('x', 'y') })
  trace.happened(main, event, 1n, { a: 1, b: 'x' })
  const line = [...toJsonLines(trace)]
    .join('')
    .split('\n')
    .find((text) => text.includes('"class",')) as string
  const { fields } = JSON.parse(line) as Line
  const again = parseSchema(
    JSON.stringify(['e', ...(fields as Line[]).map(({ name, type }) => [name, type])]),
  )
  expect(again && schemaText(again)).toBe(schemaText(event))
})

/** Reads CSV as RFC 4180 has it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  for (const [, quoted, bare, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'))
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

test('CSV: every item is a row of as many cells as the header', () => {
  const trace = full()
  const text = [...toCsv(trace)].join('')
  const [header, ...rows] = parseCsv(text)
  const given = [...trace.items()]
  expect(rows.length).toBe(given.length)
  for (const row of rows) expect(row.length).toBe(header.length)
  const table = rows.map((row) => Object.fromEntries(row.map((value, index) => [header[index], value])))
  expect(table.map(({ type }) => type)).toEqual(given.map(({ type }) => type))
  expect(table[1]).toEqual({
    time: '9223372036854775808',
    wall_time: '2316-02-24T22:00:36.854775808Z',
    type: 'event',
    name: 'log',
    level: 'error',
    pid: '1234',
    thread_id: '0',
    thread: '',
    cpu: '0',
    start: '5',
    end: '',
    duration: '',
    outcome: '',
    phase: '',
    id: '',
    fields: '{"n":"18446744073709551615","text":"\\u0000,\\"\ufffd","list":["-1"]}',
  })
  expect(table[2]).toMatchObject({
    wall_time: '2023-11-14T22:13:20.000000009Z',
    thread: 'dé, "x"\n',
    start: '1',
    end: '9',
    duration: '8',
    outcome: 'cut',
    cpu: '7',
  })
  expect(table[3]).toMatchObject({ type: 'async', name: 't', phase: 'begin', id: '18446744073709551615' })
  expect(table[7]).toMatchObject({ type: 'gap', cpu: '7', fields: '{"packets":2}', duration: '1' })
})

test.each(Object.entries(FORMATS))(
  '%s comes in pieces, and of nothing makes a valid file',
  (name, { convert, extension }) => {
    const trace = new MadeTrace()
    const main = trace.thread(trace.process(1), 0)
    const event = trace.event('e', { text: 'string' })
    for (let i = 0; i < 1000; i += 1) trace.happened(main, event, BigInt(i), { text: 'x'.repeat(1000) })
    const pieces = [...convert(trace)]
    // A picture is one piece, and small; for speedscope there are no events.
    if (name !== 'svg' && name !== 'speedscope') expect(pieces.length).toBeGreaterThan(10)
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(100_000)
    const empty = [...convert(new MadeTrace())].join('')
    expect(empty === '').toBe(name === 'perfetto')
    expect(extension).toMatch(/^(\.\w+)+$/)
  },
)

test('one read makes all formats, each as a read of its own does', () => {
  const trace = full()
  const conversions = Object.entries(FORMATS).map(([name, { start }]) => ({
    name,
    conversion: start(trace),
    pieces: [] as (Uint8Array | string)[],
  }))
  for (const item of trace.items()) {
    for (const { conversion, pieces } of conversions) {
      const piece = conversion.push(item)
      if (piece !== undefined) pieces.push(piece)
    }
  }
  const bytesOf = (pieces: Iterable<Uint8Array | string>): Buffer =>
    Buffer.concat([...pieces].map((piece) => Buffer.from(piece)))
  for (const { name, conversion, pieces } of conversions) {
    const made = bytesOf([...pieces, ...conversion.finish()])
    const alone = bytesOf(FORMATS[name as keyof typeof FORMATS].convert(trace))
    expect(made.length, name).toBeGreaterThan(0)
    expect(made.equals(alone), name).toBe(true)
  }
})
