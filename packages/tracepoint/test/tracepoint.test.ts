/** `@rchan/tracepoint`, as a library uses it, in programs with and without rchan. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeSchema, schemaText } from '@rchan/ctf'
import * as library from '@rchan/tracepoint'
import { openTrace, type TraceItem } from '@rchan/ctf/reader'
import * as rchan from 'rchan'
import { describe, expect, expectTypeOf, onTestFinished, test } from 'vitest'

type Recorded = Extract<TraceItem, { event: unknown }>

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rchan library '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function run(fixture: string, ...args: string[]): string {
  const file = fileURLToPath(new URL(`./fixtures/${fixture}`, import.meta.url))
  // Warnings stay out of stderr, where the process does not listen to them itself.
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', file, ...args], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

function recordsIn(folder: string): Recorded[] {
  return [...openTrace(folder).items()].filter((item): item is Recorded => 'event' in item)
}

const OFF = { result: 'ran', token: 0, enabled: [false, false, false, false, false] }

test('without rchan everything is off, and functions run', () => {
  expect(JSON.parse(run('alone.mjs'))).toEqual(OFF)
})

describe.each(['library', 'rchan'])('with %s loaded first', (first) => {
  test('every kind is recorded, on the main thread and on a worker', () => {
    const folder = join(freshFolder(), 'trace')
    const { before, during, after } = JSON.parse(run('program.mjs', folder, first)) as Record<
      string,
      typeof OFF
    >
    expect([before, after]).toEqual([OFF, OFF])
    expect(during).toMatchObject({ result: 'ran', enabled: [true, true, true, true, true] })
    const records = recordsIn(folder)
    for (const threadId of new Set(records.map(({ thread }) => thread.threadId))) {
      const ofThread = records.filter(({ thread }) => thread.threadId === threadId)
      expect(ofThread.map(({ event, fields }) => [event.name, ...Object.values(fields).map(String)])).toEqual(
        [
          ['mylib:evicted', 'a', 'miss'],
          ['mylib:evicted', 'b', 'hit'],
          ['mylib:load', '1'],
          ['mylib:load', '2'],
          ['mylib:load', '3'],
          ['mylib:load', '4'],
          ['mylib:job:begin', '1'],
          ['mylib:job:end'],
          ['mylib:way'],
          ['mylib:way'],
          ['mylib:way'],
          ['mylib:size', '9'],
        ],
      )
    }
    expect(new Set(records.map(({ thread }) => thread.threadId)).size).toBe(2)
    expect(records.find(({ event }) => event.name === 'mylib:size')?.event.fields[0].type).toMatchObject({
      unit: 'bytes',
    })
  })
})

test.each([
  ['cjs', 'esm', 'rchan'],
  ['rchan', 'cjs', 'esm'],
  ['cjs', 'rchan', 'esm', 'again'],
  ['rchan', 'again', 'esm', 'cjs'],
])('two copies meet in one registry: %s, %s, %s', (...order) => {
  const folder = join(freshFolder(), 'trace')
  run('program.cjs', folder, ...order.filter((name) => name !== undefined))
  expect(recordsIn(folder).map(({ event, fields }) => [event.name, fields.by])).toEqual([
    ['copies:called', 'one'],
    ['copies:called', 'one'],
  ])
})

test('a mistake in a declaration, and two schemas under one name, are said as warnings', () => {
  const said = run('mistakes.mjs').trim().split('\n')
  const refused = "rchan: a library's tracepoint is not recorded: "
  expect(said.map((line) => line.replace(/; both are recorded: .*/, '; both').slice(0, 120))).toEqual([
    expect.stringContaining(`${refused}tracepoint name="not a name": `),
    expect.stringContaining(`${refused}tracepoint mylib:text: fields="no fields" is not `),
    expect.stringContaining(`${refused}tracepoint mylib:bigint: field id has type=1;`),
    'rchan: two different tracepoints are called mylib:same: ' +
      'event {"id":"u32"} info and event {"id":"f64"} info; both',
    expect.stringContaining(`${refused}tracepoint mylib:level: options=null is not `),
    'rchan: two different tracepoints are called mylib:level: ' +
      'event {"id":"u32"} info and event {"id":"u32"} debug; both',
    `${refused}null`,
    `${refused}mylib:new has kind=histogram, which needs a newer rchan`,
  ])
})

test.each([
  ['none', false],
  ['null', false],
  ['shim', false],
  ['frozen', false],
  ['thread', true],
  ['copy', true],
])('where `process` is %s, nothing throws; recorded: %s', (place, isRecorded) => {
  const folder = join(freshFolder(), 'trace')
  expect(JSON.parse(run('places.cjs', place, folder))).toEqual([
    ['ran', false],
    ['ran', isRecorded],
  ])
  expect(recordsIn(folder).map(({ event }) => event.name)).toEqual(
    isRecorded ? ['places:called', 'places:load', 'places:load'] : [],
  )
})

test('a type is the same data as rchan’s, and rchan’s checks take it', () => {
  const { t } = library
  expect(Object.keys(t).sort((a, b) => (a < b ? -1 : 1))).toEqual(
    Object.keys(rchan.t).sort((a, b) => (a < b ? -1 : 1)),
  )
  const types = (of: typeof t): unknown[] => [
    of.u32({ unit: 'ms', base: 16 }),
    of.string({ max: 10 }),
    of.bytes({ max: 10 }),
    of.enum('a', 'b'),
    of.array('f32', 3),
    of.struct({ x: 'f32', y: of.struct({ z: 'u8' }) }),
    of.optional(of.seq('u8', { max: 7 })),
  ]
  const schemaOf = (list: unknown[]): string =>
    schemaText(makeSchema('types', Object.fromEntries(list.map((type, at) => [`f${at}`, type as 'u8']))))
  expect(schemaOf(types(t))).toBe(schemaOf(types(rchan.t as unknown as typeof t)))
})

test('the file imports nothing, and is small', () => {
  for (const format of ['esm', 'cjs']) {
    const text = readFileSync(fileURLToPath(new URL(`../dist/${format}/index.js`, import.meta.url)), 'utf8')
    expect(text).not.toMatch(/\bimport\b|\brequire\(/)
    expect(text.length).toBeLessThan(5000)
  }
})

test('the compiler takes and refuses the same calls as for rchan', () => {
  const evicted = library.tracepoint('types:evicted', { id: 'u32', text: library.t.optional('string') })
  const same: (fields: { id: number; text?: string }) => void = evicted
  expect(same).toBe(evicted)
  // @ts-expect-error a text for a number
  evicted({ id: 'a', text: undefined })
  // @ts-expect-error a field is missing
  evicted({ text: 'a' })
  const load = library.span('types:load', { id: 'u32' })
  // @ts-expect-error the field is owed
  load.end(load.begin())
  load.end(load.begin({ id: 1 }))
  // @ts-expect-error no such type
  library.tracepoint('types:bad', { id: 'u33' })
  // What rchan makes fits where the library's is asked for, and what goes into it is the same.
  const fields = { id: 'u64', list: library.t.seq('f32') } as const
  const point: library.LibraryTracepoint<typeof fields> = rchan.tracepoint('types:both', fields)
  const job: library.AsyncSpan<{ n: 'u8' }, library.NoFields> = rchan.asyncSpan('types:job', {
    begin: { n: 'u8' },
  })
  const way: library.Flow<{ n: 'u8' }> = rchan.flow('types:way', { n: 'u8' })
  const size: library.Counter<number> = rchan.counter('types:size', library.t.u32({ unit: 'ms' }))
  const sameJob: rchan.AsyncSpan<{ n: 'u8' }, library.NoFields> = job
  const sameWay: rchan.Flow<{ n: 'u8' }> = way
  const sameSize: rchan.Counter<number> = size
  type Values = [library.FieldValuesOf<typeof fields>, rchan.FieldValuesOf<typeof fields>]
  expectTypeOf<Values[0]>().toEqualTypeOf<Values[1]>()
  expectTypeOf<library.FieldType>().toEqualTypeOf<rchan.FieldType>()
  expectTypeOf<library.TracepointOptions>().toEqualTypeOf<rchan.TracepointOptions>()
  expectTypeOf<Parameters<typeof point.at>>().toEqualTypeOf<[bigint | number, Values[1]]>()
  expect([sameJob, sameWay, sameSize]).toHaveLength(3)
})
