/**
 * A trace of ours that babeltrace2 has written anew, kept beside this: CTF says less than our own
 * metadata, and our reader must give the same. (`differential.test.ts` of `trace` makes such copies
 * now.)
 */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openTrace, type TraceItem } from '@rchan/ctf/reader'

/** What `program.mjs` recorded. */
const TRACE = fileURLToPath(new URL('trace', import.meta.url))

function allTypes(i: number): unknown {
  const isEven = i % 2 === 0
  return {
    u8: i,
    i8: 0 - i,
    u16: i * 300,
    i16: 0 - i * 300,
    u32: i * 70_000,
    i32: 0 - i * 70_000,
    u64: BigInt(i) ** 17n,
    i64: -(BigInt(i) ** 17n),
    f32: Math.fround(i / 3),
    f64: i / 7,
    bool: isEven,
    string: `hé"${i}`,
    interned: `file ${i % 3}`,
    label: isEven ? 'hit' : 'miss "it"',
    bytes: new Uint8Array(Math.min(i, 10)).fill(i),
    seq: [i, 1, 2, 3],
    wide: [1n, BigInt(i)],
    array: [1, 2, i],
    struct: { x: i, y: 'y', z: [1, i] },
    maybe: isEven ? undefined : i,
    maybeBytes: i % 3 === 0 ? new Uint8Array([i]) : undefined,
    hex: i * 1001,
    maybeStruct: isEven ? undefined : { a: i, b: i % 3 === 0 ? 0.5 : undefined },
  }
}

/** What an item says, without its time and its thread. */
function said(item: TraceItem): unknown {
  if (!('event' in item)) return item.type
  const { type, event, fields } = item
  const what = [type, event.name, event.level ?? 'info', fields]
  switch (item.type) {
    case 'event':
      return item.at === item.time ? what : [...what, item.at]
    case 'span':
      return [...what, item.start, item.end, item.outcome]
    case 'async':
      return [...what, item.name, item.phase, item.id, item.outcome]
    case 'flow':
      return [...what, item.phase, item.id]
    default:
      return what
  }
}

test('a copy by sink.ctf.fs has the items of the original', () => {
  const trace = openTrace(TRACE)
  const expected = Array.from({ length: 12 }, (_, i) => {
    const id = BigInt(i)
    return [
      ['event', 'all:types', 'info', allTypes(i)],
      ['event', 'plain', 'warning', { b: i % 2 === 0, x: id }],
      ['event', 'plain', 'warning', { b: false, x: id }, 1000n + id],
      ['span', 'tile:decode', 'info', { id: i }, 100n * id, 100n * id + 7n, 'ok'],
      ['async', 'task:begin', 'info', { file: `file ${i % 3}` }, 'task', 'begin', id, undefined],
      ['flow', 'way', 'info', {}, 'start', id],
      ['async', 'task:end', 'info', {}, 'task', 'end', id, 'failed'],
      ['counter', 'queue', 'info', { value: i }],
    ]
  }).flat()
  for (const name of ['the main', 'wörker']) {
    const own = [...trace.items({ threads: [name] })].filter(
      (item) => 'event' in item && !('outcome' in item && item.outcome === 'cut'),
    )
    for (const [i, item] of own.entries()) expect(said(item)).toStrictEqual(expected[i])
    expect(own).toHaveLength(expected.length)
  }
})

test('it has what the original told beside its events, and all types', () => {
  const trace = openTrace(TRACE)
  const items = [...trace.items()]
  const lives = items.flatMap((item) => (item.type === 'thread' ? [`${item.thread.name} ${item.phase}`] : []))
  expect(new Set(lives)).toEqual(new Set(['the main came', 'wörker came', 'wörker went']))
  const cut = items.filter((item) => item.type === 'span' && item.outcome === 'cut')
  expect(cut).toMatchObject([{ event: { name: 'tile:decode' }, thread: { threadId: 0, name: 'the main' } }])
  expect(trace.facts?.end).toBeGreaterThan(0n)
  const [all] = trace.events
  const types = Object.fromEntries(all.fields.map(({ name, type }) => [name, type]))
  expect(types).toMatchObject({
    bool: 'bool',
    interned: 'interned',
    bytes: { type: 'bytes', max: 10 },
    hex: { type: 'u32', base: 16, unit: 'bytes', description: 'é & "more"' },
    maybe: { type: 'optional', of: 'u32' },
    wide: { type: 'seq', of: 'u64', max: 1024 },
  })
})
