/**
 * The text of the metadata: its possible content, the input that is refused, and how readers read
 * it.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { metadataText, parseUuid, threadRanges, type EventClass, type MetadataInput } from '@rchan/ctf'
import { openTrace, parseMetadata, TraceError } from '@rchan/ctf/reader'
import { needReader, runReader } from '../../../test/readers.js'
import { temporaryFolder, UUID, writeTrace } from './fixture.js'

const PRINT_TRACE = fileURLToPath(new URL('print-trace.py', import.meta.url))
const input: MetadataInput = {
  uuid: UUID,
  clock: { offsetSeconds: 1_700_000_000, offsetNs: 5 },
  env: { hostname: 'here' },
  events: [
    { id: 0, name: 'a', fields: [{ name: 'x', type: 'u32' }] },
    { id: 7, name: 'tile:done', fields: [{ name: 'ms', type: 'f64' }] },
  ],
  threads: [
    { name: 'main', first: 0, last: 0 },
    { name: 'worker.js', first: 1, last: 4 },
    { name: 'b', first: 5, last: 5 },
  ],
}
/** Characters that mean something between quotes, in a text, in a terminal, or in UTF-8. */
const HARD_ENV = {
  quotes: `"double" 'single'`,
  backslashes: 'C:\\new\\table\\x41\\101\\',
  lines: 'one\ntwo\r\nthree\ttab',
  controls: '\x01\x1f\x7f\x1b[31m1',
  trigraph: '??/ ?? %s %n',
  comment: '/* no comment */ // none',
  unicode: 'é日本🙂',
  empty: '',
  brace: '}; env { x = 1; };',
  enum: 'a word of the language',
  _Bool: 'another',
  u8: 'an alias',
  __proto__x: 'a name',
  least: Number.MIN_SAFE_INTEGER,
  most: Number.MAX_SAFE_INTEGER,
}

describe('metadata', () => {
  test('starts with the line by which readers know it', () => {
    expect(metadataText(input).startsWith('/* CTF 1.8 */\n')).toBe(true)
  })

  test('keeps every env value, whatever it contains', () => {
    expect(parseMetadata(metadataText({ ...input, env: HARD_ENV }), 'metadata').env).toStrictEqual(HARD_ENV)
  })

  test('with hard env values and without events is accepted by babeltrace 1.5 and 2', (context) => {
    needReader(context, 'python3-bt2')
    needReader(context, 'babeltrace')
    using folder = temporaryFolder()
    const packets = [
      { begin: 1n, end: 1n, sequence: 0, eventsDiscarded: 0, generation: 1, threadId: 0, records: [] },
    ]
    const stream = { file: 'cpu0', cpu: 0, instance: 0, packets }
    writeTrace(folder.path, { ...input, env: HARD_ENV, events: [], streams: [stream] })
    const run = runReader('python3-bt2', [PRINT_TRACE, folder.path])
    const printed = Object.fromEntries(Object.entries(HARD_ENV).map(([name, value]) => [name, String(value)]))
    expect(JSON.parse(run.stdout), run.stderr).toStrictEqual({ trace: 0, env: printed })
    expect(runReader('babeltrace', [folder.path])).toMatchObject({ status: 0, stderr: '' })
  })

  test('keeps the names of threads, whatever they are, and puts those of one name together', () => {
    const names = Object.values(HARD_ENV).map((name, number) => [number * 3, String(name)] as const)
    const threads = threadRanges(
      new Map([...names, [1000, 'pool'], [1002, 'pool'], [1001, 'pool'], [1003, '']]),
    )
    expect(threads.slice(-2)).toStrictEqual([
      { name: 'pool', first: 1000, last: 1002 },
      { name: '', first: 1003, last: 1003 },
    ])
    for (const global of [{}, { global: true as const }]) {
      const text = metadataText({ ...input, ...global, threads })
      expect(text).toContain('"pool" = 1000 ... 1002,')
      expect(parseMetadata(text, 'metadata').threads).toStrictEqual(threads)
      expect(parseMetadata(metadataText({ ...input, ...global, threads: [] }), '').threads).toBe(undefined)
    }
  })

  test('knows a clock by its uuid when there is one', () => {
    const clock = { ...input.clock, uuid: UUID }
    expect(parseMetadata(metadataText({ ...input, clock }), 'metadata').clock).toStrictEqual(clock)
    expect(parseMetadata(metadataText(input), 'metadata').clock).toStrictEqual(input.clock)
  })

  test.each<[string, Partial<MetadataInput>, RegExp]>([
    ['a uuid in capitals', { uuid: UUID.toUpperCase() }, /uuid="2A64.*lower-case/],
    ['a uuid that is too short', { uuid: UUID.slice(1) }, /uuid=/],
    ['a clock uuid that is none', { clock: { uuid: 'boot', offsetSeconds: 0, offsetNs: 0 } }, /uuid="boot"/],
    [
      'a negative offset, on which babeltrace 1.5 fails',
      { clock: { offsetSeconds: -1, offsetNs: 0 } },
      /offsetSeconds=-1/,
    ],
    ['a broken offset', { clock: { offsetSeconds: 0.5, offsetNs: 0 } }, /offsetSeconds=0.5/],
    [
      'an offset of a second in nanoseconds',
      { clock: { offsetSeconds: 0, offsetNs: 1e9 } },
      /offsetNs=1000000000/,
    ],
    ['an env name with a blank', { env: { 'a b': 1 } }, /env name="a b"/],
    ['an env string with NUL', { env: { a: 'x\0y' } }, /env a=.*NUL/],
    ['an env number that is not whole', { env: { a: 1.5 } }, /env a=1.5/],
    ['an env number that is not finite', { env: { a: Number.NaN } }, /env a=NaN/],
    [
      'an event id that is not a u32',
      { events: [{ id: 2 ** 32, name: 'e', fields: [] }] },
      /event e has id=4294967296/,
    ],
    [
      'two events of one id',
      { events: [input.events[0], { ...input.events[1], id: 0 }] },
      /event tile:done has id=0/,
    ],
    [
      'numbers of threads that are not in order',
      { threads: [input.threads![1], input.threads![0]] },
      /thread "main" has numbers 0 to 0, expected them in order, from 5/,
    ],
    ['a thread of a number with a fraction', { threads: [{ name: 'm', first: 0.5, last: 1 }] }, /0.5 to 1/],
    [
      'a thread number that a record of a global trace has no room for',
      { global: true, threads: [{ name: 'm', first: 65_535, last: 65_536 }] },
      /65535 to 65536, .* to 65535/,
    ],
    ["a thread's name with NUL", { threads: [{ name: 'a\0', first: 1, last: 1 }] }, /name="a.*NUL/],
  ])('is not written for %s', (_, part, message) => {
    expect(() => metadataText({ ...input, ...part })).toThrow(TypeError)
    expect(() => metadataText({ ...input, ...part })).toThrow(message)
  })

  test('that was cut off anywhere is refused, or has lost whole events at its end', () => {
    const text = metadataText(input).trimEnd()
    for (let length = 0; length < text.length; length += 1) {
      let events: readonly EventClass[]
      try {
        events = parseMetadata(text.slice(0, length), 'metadata').events
      } catch (error) {
        expect(error).toBeInstanceOf(TraceError)
        expect((error as TraceError).message).toMatch(/^metadata, line \d+, column \d+: expected .+/)
        continue
      }
      expect(events).toStrictEqual(input.events.slice(0, events.length))
      expect(events.length).toBeLessThan(input.events.length)
    }
  })

  test.each<[string, string | RegExp, string, RegExp]>([
    [
      'another byte order',
      'byte_order = le',
      'byte_order = be',
      /line \d+, column \d+: expected le, found be/,
    ],
    [
      'another layout of the packet',
      'u32 cpu_id;',
      '',
      /line \d+, column \d+: expected cpu_id, found generation/,
    ],
    ['numbers of threads that overlap', '"main" = 0', '"main" = 0 ... 2', /in order, from 3/],
    ['a thread number that is too great', '"b" = 5', '"b" = 4294967296', /from 5 to 4294967295/],
    ['a range of threads that ends before it begins', '1 ... 4', '4 ... 1', /in order/],
    ['another integer for threads', 'enum : u32', 'enum : u16', /expected u32, found u16/],
    ['threads without a name', '"main" = 0', '0', /expected the name of a thread/],
    ['no threads in the list', /enum : u32 \{[^}]*\}/, 'enum : u32 { }', /expected the name of a thread/],
    ['another alignment', 'align(64)', 'align(32)', /expected 64, found 32/],
    ['another clock rate', '1000000000', '1000000', /expected 1000000000, found 1000000/],
    [
      'a layout that is not packed where ours is',
      /\t\tf64/,
      '\t\tpacked_f64',
      /expected f64, found the other/,
    ],
    ['an unknown type', '\t\tu32 _x', '\t\tu33 _x', /expected the type of a field, found u33/],
    ['a type in quotes', '\t\tu32 _x', '\t\t"u32" _x', /expected the type of a field, found "u32"/],
    ['a field without an underscore', '\t\tu32 _x', '\t\tu32 x', /expected _x, found x/],
    ['a field named __proto__', '\t\tu32 _x', '\t\tu32 ___proto__', /names or fields/],
    ['a name that no event can have', '"a"', '"a b"', /names or fields/],
    // Readers of records are made from texts with the names in them.
    ['a name with a line in it', '"a"', '"a\\nb"', /names or fields/],
    ['a name with a line separator', '"a"', '"a\u2028b"', /names or fields/],
    ['a name that ends with a line', '"a"', '"a\\n"', /names or fields/],
    ['an id again', 'id = 7;', 'id = 0;', /found id 0 again/],
    ['an id that is too great', 'id = 7;', 'id = 4294967296;', /from 0 to 4294967295/],
    ['a number too long', 'id = 7;', `id = ${'9'.repeat(400)};`, /53 bits/],
    [
      'a clock of another age',
      'offset_s = 1',
      'offset_s = 9',
      /line \d+, column 13: expected at most 9000000000 s/,
    ],
    ['an open string', '"here"', '"here', /expected a closing "/],
    ['an unknown escape', '"here"', '"\\q"', /escapes/],
    ['a strange sign', 'env {', 'env @{', /found "@"/],
    ['a uuid that is none', UUID, 'boot', /expected a uuid, found "boot"/],
    ['an open comment', 'env {', '/* env {', /expected the end of a comment/],
    ['another head', '/* CTF 1.8 */', '/* CTF 2 */', /line 1, column 1: expected/],
  ])('with %s is refused', (_, from, to, message) => {
    const text = metadataText(input)
    const changed = text.replace(from, to)
    expect(changed).not.toBe(text)
    expect(() => parseMetadata(changed, 'metadata')).toThrow(TraceError)
    expect(() => parseMetadata(changed, 'metadata')).toThrow(message)
  })

  test('of a million blanks or backslashes is refused without running out of stack', () => {
    for (const tail of [
      ' \n'.repeat(500_000),
      `env { a = "${'\\\\'.repeat(500_000)}`,
      '/**/'.repeat(500_000),
    ]) {
      expect(() => parseMetadata(`/* CTF 1.8 */${tail}`, 'metadata')).toThrow(TraceError)
    }
  })

  test('that was cut off on disk makes the trace unreadable, and the message says where', () => {
    using folder = temporaryFolder()
    writeTrace(folder.path, { ...input, streams: [] })
    expect(openTrace(folder.path).events).toStrictEqual(input.events)
    appendFileSync(`${folder.path}/metadata`, 'event {\n\tname = "ha')
    const lines = readFileSync(`${folder.path}/metadata`, 'utf8').split('\n').length
    expect(() => openTrace(folder.path)).toThrow(`metadata, line ${lines}, column 9: expected a closing "`)
  })
})

test('a uuid becomes 16 bytes', () => {
  expect(Buffer.from(parseUuid(UUID)).toString('hex')).toBe(UUID.replaceAll('-', ''))
  expect(() => parseUuid('')).toThrow(TypeError)
})
