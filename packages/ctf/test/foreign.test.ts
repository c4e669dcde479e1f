/** Traces by others, made by hand: every construct that is read, and what is said of the others. */
import * as fc from 'fast-check'
import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openTrace, TraceError, type DecodedValue } from '@rchan/ctf/reader'
import { needReader } from '../../../test/readers.ts'
import { BitWriter } from './bit-writer.ts'
import { temporaryFolder } from './fixture.ts'
import { printTraces, valuesOf } from './printed-values.ts'

const SEED = Number(process.env.RCHAN_SEED ?? 20260101)
const UUID = '2a6422d0-6cee-41e0-8c08-cb07d7b3a564'
const KEPT = fileURLToPath(new URL('lttng/trace', import.meta.url))

/** The head that LTTng writes, with the header of a record in which ids and times are short. */
function head(order: 'le' | 'be', clock = 'freq = 1000000000;'): string {
  return `/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 64; align = 8; signed = false; } := unsigned long;
typealias integer { size = 5; align = 1; signed = false; } := uint5_t;
trace {
	major = 1; minor = 8; uuid = "${UUID}"; byte_order = ${order};
	packet.header := struct { uint32_t magic; uint8_t uuid[16]; uint32_t stream_id; };
};
clock { name = "monotonic"; ${clock} };
typealias integer { size = 27; align = 1; map = clock.monotonic.value; } := uint27_clock_t;
typealias integer { size = 64; align = 8; map = clock.monotonic.value; } := uint64_clock_t;
struct packet_context {
	uint64_clock_t timestamp_begin;
	uint64_clock_t timestamp_end;
	uint64_t content_size;
	uint64_t packet_size;
	uint64_t packet_seq_num;
	unsigned long events_discarded;
	uint32_t cpu_id;
};
struct event_header_compact {
	enum : uint5_t { compact = 0 ... 30, extended = 31 } id;
	variant <id> {
		struct { uint27_clock_t timestamp; } compact;
		struct { uint32_t id; uint64_clock_t timestamp; } extended;
	} v;
} align(8);
stream { id = 0; event.header := struct event_header_compact; packet.context := struct packet_context; };
`
}

interface MadeField {
  readonly name: string
  /** What the metadata says of it. */
  readonly text: string
  readonly alignBits: number
  readonly values: fc.Arbitrary<DecodedValue>
  write(bits: BitWriter, value: DecodedValue): void
}

const odd = fc.record({
  width: fc.integer({ min: 1, max: 64 }),
  isSigned: fc.boolean(),
  alignBits: fc.constantFrom(1, 1, 1, 8, 16, 32, 64),
})

function anyField(name: string): fc.Arbitrary<MadeField> {
  const integers = odd.map(({ width, isSigned, alignBits }): MadeField => {
    const min = isSigned ? -(2n ** BigInt(width - 1)) : 0n
    const max = 2n ** BigInt(isSigned ? width - 1 : width) - 1n
    return {
      name,
      text: `integer { size = ${width}; align = ${alignBits}; signed = ${isSigned}; } _${name};`,
      alignBits,
      values: fc.bigInt({ min, max }).map((value) => (width > 32 ? value : Number(value))),
      write: (bits, value) => bits.put(value as bigint, width, alignBits),
    }
  })
  const floats = fc
    .tuple(fc.constantFrom(32, 64), fc.constantFrom(1, 8, 64))
    .map(([width, alignBits]): MadeField => ({
      name,
      text: `floating_point { exp_dig = ${width === 32 ? 8 : 11}; mant_dig = ${width === 32 ? 24 : 53}; align = ${alignBits}; } _${name};`,
      alignBits,
      values: width === 32 ? fc.float({ noNaN: true }) : fc.double({ noNaN: true }),
      write: (bits, value) => bits.float(value as number, width, alignBits),
    }))
  const labels = { zero: 0, some: 3, 'a "b" \\ c': 5 }
  const enums = fc.constantFrom(3, 8, 17).map((width): MadeField => ({
    name,
    text: `enum : integer { size = ${width}; align = 1; } { zero, "some" = 1 ... 4, "a \\"b\\" \\\\ c", } _${name};`,
    alignBits: 1,
    values: fc.constantFrom(...Object.keys(labels)),
    write: (bits, value) => bits.put(labels[value as keyof typeof labels], width, 1),
  }))
  const texts: MadeField = {
    name,
    text: `string { encoding = UTF8; } _${name};`,
    alignBits: 8,
    // Not empty, for the sake of babeltrace2 2.0.4: see print-values.py.
    values: fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => text.replaceAll('\0', '0')),
    write: (bits, value) => bits.text(value as string),
  }
  const lists = fc
    .tuple(odd, fc.constantFrom(undefined, 3))
    .map(([{ width, isSigned, alignBits }, length]): MadeField => {
      const values = fc
        .bigInt({ min: 0n, max: 2n ** BigInt(width - 1) - 1n })
        .map((value) => (width > 32 ? value : Number(value)))
      const element = `integer { size = ${width}; align = ${alignBits}; signed = ${isSigned}; }`
      const isFixed = length !== undefined
      return {
        name,
        text: isFixed
          ? `${element} _${name}[${length}];`
          : `integer { size = 7; align = 1; } _${name}_length; ${element} _${name}[_${name}_length];`,
        alignBits,
        values: fc.array(values, isFixed ? { minLength: length, maxLength: length } : { maxLength: 9 }),
        write: (bits, value) => {
          const list = value as readonly (number | bigint)[]
          if (!isFixed) bits.put(list.length, 7, 1)
          bits.align(alignBits)
          for (const each of list) bits.put(each, width, alignBits)
        },
      }
    })
  return fc.oneof({ arbitrary: integers, weight: 4 }, floats, enums, fc.constant(texts), lists)
}

interface MadeEvent {
  readonly id: number
  readonly fields: readonly MadeField[]
}

interface MadeRecord {
  readonly event: MadeEvent
  readonly waitNs: bigint
  readonly values: readonly DecodedValue[]
}

const anyEvents: fc.Arbitrary<MadeEvent[]> = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom(0, 1, 30, 31, 70_000),
    fields: fc
      .integer({ min: 0, max: 6 })
      .chain((count): fc.Arbitrary<readonly MadeField[]> =>
        fc.tuple(...Array.from({ length: count }, (_, i) => anyField(`f${i}`))),
      ),
  }),
  { minLength: 1, maxLength: 4, selector: ({ id }) => id },
)

const anyTrace = fc
  .record({ order: fc.constantFrom('le', 'be'), events: anyEvents })
  .chain(({ order, events }) =>
    fc.record({
      order: fc.constant(order),
      events: fc.constant(events),
      packets: fc.array(
        fc.array(
          fc.constantFrom(...events).chain((event) =>
            fc.record({
              event: fc.constant(event),
              // Up to a little less than the 27 bits of a short time, and more.
              waitNs: fc.oneof(
                fc.bigInt({ min: 0n, max: 1000n }),
                fc.bigInt({ min: 2n ** 26n, max: 2n ** 27n - 1n }),
                fc.bigInt({ min: 2n ** 27n, max: 2n ** 34n }),
              ),
              values: fc.tuple(...event.fields.map(({ values }) => values)),
            }),
          ),
          { maxLength: 12 },
        ),
        { minLength: 1, maxLength: 4 },
      ),
    }),
  )
type MadeTrace = typeof anyTrace extends fc.Arbitrary<infer T> ? T : never

/** Writes the trace, as LTTng would. @returns the time of each record. */
function write(folder: string, { order, events, packets }: MadeTrace): bigint[] {
  mkdirSync(folder)
  const blocks = events.map(
    ({ id, fields }) =>
      `event { name = "made:e${id}"; id = ${id}; stream_id = 0; fields := struct { ${fields.map(({ text }) => text).join(' ')} }; };\n`,
  )
  writeFileSync(join(folder, 'metadata'), head(order) + blocks.join(''))
  const times: bigint[] = []
  let time = 5_000_000_000n
  const files: Buffer[] = []
  for (const [number, records] of packets.entries()) {
    const begin = time
    const bits = new BitWriter(order).put(0xc1fc1fc1, 32)
    for (const byte of Buffer.from(UUID.replaceAll('-', ''), 'hex')) bits.put(byte, 8)
    bits.put(0, 32)
    const context = bits.at
    bits.at += 6 * 64 + 32
    for (const record of records) {
      time += record.waitNs
      times.push(time)
      writeRecord(bits, record, time)
    }
    const content = bits.at
    const size = Math.ceil(content / 8 + (number % 3) * 8) * 8
    bits.at = context
    for (const value of [begin, time, BigInt(content), BigInt(size), BigInt(number), 0n]) bits.put(value, 64)
    bits.put(3, 32)
    bits.at = content
    files.push(Buffer.concat([bits.bytes(), Buffer.alloc(size / 8 - bits.bytes().length)]))
  }
  writeFileSync(join(folder, 'channel_3'), Buffer.concat(files))
  return times
}

function writeRecord(bits: BitWriter, { event, waitNs, values }: MadeRecord, time: bigint): void {
  bits.align(8)
  if (event.id < 31 && waitNs < 2n ** 27n) bits.put(event.id, 5, 1).put(time, 27, 1)
  else bits.put(31, 5, 1).put(event.id, 32, 8).put(time, 64, 8)
  const alignBits = Math.max(1, ...event.fields.map((field) => field.alignBits))
  bits.align(alignBits)
  for (const [i, field] of event.fields.entries()) field.write(bits, values[i])
}

function expected(trace: MadeTrace, times: readonly bigint[]): unknown[] {
  return trace.packets.flat().map(({ event, values }, i) => ({
    time: times[i],
    name: `made:e${event.id}`,
    fields: Object.fromEntries(event.fields.map(({ name }, f) => [name, values[f]])),
  }))
}

function recordsOf(folder: string): unknown[] {
  return [...openTrace(folder).records()].map(({ time, event, fields }) => ({
    time,
    name: event.name,
    fields,
  }))
}

describe('records in the short form of LTTng, in both byte orders, with fields at any bit', () => {
  test('are read back as they were written', () => {
    using folder = temporaryFolder()
    let number = 0
    fc.assert(
      fc.property(anyTrace, (trace) => {
        const path = join(folder.path, String((number += 1)))
        const times = write(path, trace)
        expect(recordsOf(path)).toStrictEqual(expected(trace, times))
      }),
      { numRuns: 200 },
    )
  })

  test(`are what python3-bt2 decodes (RCHAN_SEED=${SEED})`, (context) => {
    needReader(context, 'python3-bt2')
    using folder = temporaryFolder()
    const traces = fc.sample(anyTrace, { seed: SEED, numRuns: 60 })
    const paths = traces.map((_, i) => join(folder.path, String(i)))
    for (const [i, trace] of traces.entries()) write(paths[i], trace)
    for (const [i, printed] of printTraces(paths).entries()) {
      const trace = openTrace(paths[i])
      const fields = new Map(trace.events.map((event) => [event.name, event.fields]))
      expect(recordsOf(paths[i])).toStrictEqual(
        printed.events.map((event) => ({
          time: event.ns,
          name: event.name,
          fields: valuesOf(fields.get(event.name) ?? [], event.fields),
        })),
      )
    }
  })
})

/** One packet with one record, whose metadata and bytes after the header are given. */
function one(
  folder: string,
  text: string,
  fields: (bits: BitWriter) => void,
  order: 'le' | 'be' = 'le',
): string {
  const metadata = text.replace('/* HEAD */', head(order))
  writeFileSync(join(folder, 'metadata'), metadata)
  const bits = new BitWriter(order).put(0xc1fc1fc1, 32)
  for (const byte of Buffer.from(UUID.replaceAll('-', ''), 'hex')) bits.put(byte, 8)
  bits.put(0, 32)
  const context = bits.at
  bits.at += 6 * 64 + 32
  bits.put(0, 5, 1).put(7, 27, 1)
  fields(bits)
  const content = bits.at
  bits.at = context
  const size = Math.ceil(content / 8) * 8
  for (const value of [5, 9, content, size, 0, 0]) bits.put(value, 64)
  bits.put(0, 32)
  bits.at = content
  writeFileSync(join(folder, 'channel_0'), bits.bytes())
  return folder
}

function eventText(fields: string, more = ''): string {
  return `/* HEAD */event { name = "e"; id = 0; stream_id = 0; ${more} fields := struct { ${fields} }; };\n`
}

describe('what else the metadata of others can say', () => {
  test.each([
    [
      'names of several words, typedef, several names in a member',
      'typealias integer { size = 16; align = 8; } := unsigned short int;',
      'unsigned short int _a, _b; short_t _c;',
      { a: 1, b: 2, c: 3 },
    ],
    [
      'numbers in hexadecimal and octal',
      '',
      'integer { size = 0x10; align = 010; base = hex; } _a; integer { size = 16; } _b; integer { size = 16; } _c;',
      { a: 1, b: 2, c: 3 },
    ],
    [
      'a struct by its name, in another one',
      'struct pair { short_t _a; short_t _b; };',
      'struct pair _p; const short_t _c;',
      { p: { a: 1, b: 2 }, c: 3 },
    ],
    [
      'comments of two forms',
      '// one\n/* two */',
      'short_t _a; // three\n short_t _b; /* four\n */ short_t _c;',
      { a: 1, b: 2, c: 3 },
    ],
    [
      'an optional field of ours',
      '',
      'enum : short_t { "none" = 0, "some" = 1 } _o_is; variant <_o_is> { struct { } none; short_t some; } _o; short_t _c;',
      { o: 2, c: 3 },
    ],
    [
      'a length that is a field of its own',
      '',
      'short_t _count; short_t _list[_count]; short_t _c;',
      { count: 1, list: [2], c: 3 },
    ],
    [
      'a label that several numbers have, and a number that several labels have',
      '',
      'enum : short_t { A = 1, B = 1 ... 5 } _a; enum : short_t { C = 0 ... 9, D = 2 } _b; enum : short_t { E } _c;',
      { a: 'A', b: 'C', c: '3' },
    ],
  ] as const)('%s', (_name, types, fields, values) => {
    using folder = temporaryFolder()
    const text = eventText(fields).replace(
      'event {',
      `typedef integer { size = 16; align = 8; } short_t;\n${types}\nevent {`,
    )
    one(folder.path, text, (bits) => bits.put(1, 16).put(2, 16).put(3, 16))
    expect(recordsOf(folder.path)).toStrictEqual([{ time: 7n, name: 'e', fields: values }])
  })

  test('contexts, of the stream and of an event', () => {
    using folder = temporaryFolder()
    const int = 'integer { size = 32; signed = true; }'
    const text = eventText('', `context := struct { ${int} _own; };`).replace(
      'event {',
      `stream { id = 1; event.header := struct event_header_compact; packet.context := struct packet_context;
        event.context := struct { ${int} _vtid; ${int} _vpid; integer { size = 8; encoding = UTF8; } _procname[4]; ${int} _depth; }; };
       event {`,
    )
    const of1 = text.replace('stream_id = 0', 'stream_id = 1')
    one(folder.path, of1, (bits) => bits.put(17, 32).put(-3, 32).put(0x6261, 32).put(-1, 32).put(99, 32))
    const bytes = readFileSync(join(folder.path, 'channel_0'))
    bytes.writeUInt32LE(1, 20)
    writeFileSync(join(folder.path, 'channel_0'), bytes)
    const [item] = openTrace(folder.path).items()
    expect(item).toMatchObject({
      type: 'event',
      thread: { threadId: 17, name: 'ab', process: { pid: -3 } },
      context: { depth: -1, own: 99 },
    })
  })

  test('a clock of another frequency, and an offset in its ticks', () => {
    using folder = temporaryFolder()
    const text = eventText('').replace('/* HEAD */', head('le', 'freq = 3; offset_s = -1; offset = 10;'))
    one(folder.path, text, () => undefined)
    const trace = openTrace(folder.path)
    const [{ time }] = trace.records()
    expect(time).toBe(7_000_000_000n / 3n)
    expect(trace.wallClock(time)).toBe(-1_000_000_000n + 10_000_000_000n / 3n + 7_000_000_000n / 3n)
  })

  test.each(['le', 'be'] as const)('metadata in packets, in byte order %s', (order) => {
    using folder = temporaryFolder()
    one(folder.path, eventText('integer { size = 16; } _a;'), (bits) => bits.put(1234, 16), order)
    const text = readFileSync(join(folder.path, 'metadata'))
    const parts = [text.subarray(0, 100), text.subarray(100, 101), text.subarray(101)]
    writeFileSync(join(folder.path, 'metadata'), Buffer.concat(parts.map((part) => inPacket(part, order))))
    expect(recordsOf(folder.path)).toStrictEqual([{ time: 7n, name: 'e', fields: { a: 1234 } }])
  })
})

function inPacket(text: Buffer, order: 'le' | 'be'): Buffer {
  const bits = new BitWriter(order).put(0x75d11d57, 32)
  for (const byte of Buffer.from(UUID.replaceAll('-', ''), 'hex')) bits.put(byte, 8)
  bits
    .put(0, 32)
    .put((37 + text.length) * 8, 32)
    .put((40 + text.length) * 8, 32)
  for (const byte of [0, 0, 0, 1, 8, ...text, 0, 0, 0]) bits.put(byte, 8)
  return bits.bytes()
}

describe('what has no form of ours is named, with its line and column', () => {
  test.each([
    [
      'an array of structs',
      'struct { uint8_t _a; } _x[2];',
      'x is an array of structs: rchan has those of numbers',
      '_x',
    ],
    ['an array of arrays', 'uint8_t _x[2][3];', 'an array of arrays', '[2][3]'],
    ['a sequence of texts', 'uint8_t _n; string _x[_n];', 'x is a sequence of strings', '_x[_n]'],
    [
      'a variant',
      'enum : uint8_t { a, b } _t; variant <_t> { uint8_t a; string b; } _x;',
      'x is a variant of a, b',
      '_x;',
    ],
    [
      'a float of 16 bits',
      'floating_point { exp_dig = 5; mant_dig = 11; } _x;',
      'a floating_point of exp_dig=5, mant_dig=11',
      'floating_point',
    ],
    ['an integer of 128 bits', 'integer { size = 128; } _x;', 'an integer of size=128 bits', '128'],
    [
      'a length by a path',
      'uint8_t _n; uint8_t _x[event.fields._n];',
      'a field by its path (event.…)',
      'event.fields',
    ],
    [
      'a length that is not there',
      'uint8_t _x[_n];',
      'the length of x, _n, is no unsigned integer before it',
      '_x',
    ],
    ['a type that is not declared', 'uint99_t _x;', 'type uint99_t _x is not declared', 'uint99_t'],
    ['a pointer', 'uint8_t *_x;', 'a pointer', '*_x'],
    [
      'a time in the fields',
      'uint64_clock_t _x;',
      'a time (map = clock.monotonic.value) in the fields',
      '_x',
    ],
    ['a field twice', 'uint8_t _x; uint8_t x;', 'field x is there twice', 'x; }'],
    ['a bad alignment', 'integer { size = 8; align = 3; } _x;', 'align=3: expected a power of two', '3; }'],
    ['an unknown attribute', 'integer { size = 8; colour = 3; } _x;', 'found colour', 'colour'],
    [
      'a label outside of its type',
      'enum : uint8_t { a = 256 } _x;',
      'label "a" has numbers 256 to 256',
      'a = 256',
    ],
  ])('%s', (_name, fields, message, at) => {
    using folder = temporaryFolder()
    const text = `${head('le')}event {\n name = "e"; id = 0;\n fields := struct { ${fields} }; };\n`
    writeFileSync(join(folder.path, 'metadata'), text)
    const index = text.indexOf(at, text.indexOf('fields := struct {') + 18)
    const before = text.slice(0, index)
    const place = { line: before.split('\n').length, column: index - before.lastIndexOf('\n') }
    const error = failure(() => openTrace(folder.path))
    expect(error.message).toContain(message)
    expect({ line: error.line, column: error.column }).toEqual(place)
    expect(error.message).toContain(`metadata, line ${place.line}, column ${place.column}: `)
  })

  test.each([
    ['no trace block', /trace \{[\s\S]*?\n\};\n/, '', /no trace block/],
    ['another version', 'minor = 8', 'minor = 9', /CTF 1\.9: expected CTF 1\.8/],
    ['no byte order', 'byte_order = le;', '', /byte_order is missing/],
    [
      'a second clock',
      'clock.monotonic.value; } := uint64',
      'clock.other.value; } := uint64',
      /times of clock/,
    ],
    [
      'a clock that is not declared',
      'name = "monotonic"',
      'name = "other"',
      /clock monotonic is not declared/,
    ],
    ['no time in the records', 'event.header := struct event_header_compact;', '', /stream 0 has no time/],
    [
      'two clocks of one name',
      /(clock \{.*\n)/,
      '$1clock { name = "monotonic"; freq = 5; };\n',
      /clock monotonic is there twice, and is not the same/,
    ],
    ['an event of no stream', 'stream { id = 0', 'stream { id = 5', /stream_id=0, and no stream has that id/],
    ['an event twice', /(event \{.*\n)/, '$1$1', /event id 0 is there twice/],
    ['another text', '/* CTF 1.8 */', 'Hello', /line 1, column 1: expected \/\* CTF 1\.8.*no metadata/],
    ['no text', '/* CTF 1.8 */', '\u0001', /line 1, column 1: expected \/\* CTF 1\.8.*no metadata/],
    [
      'CTF 2',
      '/* CTF 1.8 */',
      '\u001e{"type":"preamble","version":2}\n',
      /column 1: expected .*: this is CTF 2$/,
    ],
    [
      'a uri of ours that lies',
      'stream_id = 0;',
      'stream_id = 0; model.emf.uri = "rchan:event?x=%22u8%22";',
      /model.emf.uri says that there is no further field|a field x here/,
    ],
    [
      'a kind of ours that lies',
      'stream_id = 0;',
      'stream_id = 0; model.emf.uri = "rchan:span";',
      /a kind or types that rchan does not write/,
    ],
  ])('%s', (_name, from, to, message) => {
    using folder = temporaryFolder()
    one(folder.path, eventText('uint8_t _a;'), (bits) => bits.put(1, 8))
    const path = join(folder.path, 'metadata')
    const text = readFileSync(path, 'utf8')
    const changed = text.replace(from, to)
    expect(changed).not.toBe(text)
    writeFileSync(path, changed)
    expect(failure(() => openTrace(folder.path)).message).toMatch(message)
  })

  test('a long text is read in one go: escapes, labels, events', () => {
    using folder = temporaryFolder()
    let text = `env { a = "${'\\x41'.repeat(200_000)}"; };\ntypealias enum : uint32_t {`
    for (let i = 0; i < 20_000; i += 1) text += `"label ${i}" = ${i} ... ${i + 5},`
    text += '} := big;\n'
    for (let i = 0; i < 20_000; i += 1)
      text += `event { name = "e${i}"; id = ${i}; fields := struct { big _a; }; };\n`
    writeFileSync(join(folder.path, 'metadata'), head('le') + text)
    const trace = openTrace(folder.path)
    expect(trace.env).toEqual({ a: 'A'.repeat(200_000) })
    expect(trace.events).toHaveLength(20_000)
    writeFileSync(
      join(folder.path, 'metadata'),
      `${head('le')}event { name = "${'x'.repeat(1e6)}"; };\n${text}`,
    )
    expect(failure(() => openTrace(folder.path)).message.length).toBeLessThan(2000)
  })

  test('a text that would be huge, walked, ends at a limit', () => {
    using folder = temporaryFolder()
    let types = 'struct s0 { uint8_t _a; uint8_t _b; };\n'
    for (let i = 1; i < 40; i += 1) types += `struct s${i} { struct s${i - 1} _a; struct s${i - 1} _b; };\n`
    writeFileSync(join(folder.path, 'metadata'), head('le') + types)
    expect(failure(() => openTrace(folder.path)).message).toMatch(/a type of more than 4096 fields/)
    const deep = `event { name = "e"; fields := ${'struct { '.repeat(100_000)}`
    writeFileSync(join(folder.path, 'metadata'), head('le') + deep)
    expect(failure(() => openTrace(folder.path)).message).toMatch(/types are nested more than 16 deep/)
  })
})

function failure(read: () => unknown): TraceError {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(TraceError)
    return error as TraceError
  }
  throw new Error('it was read')
}

describe('a packet of others that is damaged', () => {
  /** Offsets in the packet of {@link one}. */
  const CONTENT_SIZE = 24 + 16
  const PACKET_SIZE = 24 + 24

  test.each([
    [
      'another magic',
      (bytes: Buffer) => bytes.writeUInt32LE(1, 0),
      0,
      /expected a packet with magic=0xc1fc1fc1/,
    ],
    ['another uuid', (bytes: Buffer) => bytes.writeUInt32LE(1, 4), 0, /it belongs to another trace/],
    ['another stream', (bytes: Buffer) => bytes.writeUInt32LE(9, 20), 0, /stream_id=9, which no stream/],
    ['no size', (bytes: Buffer) => bytes.writeBigUInt64LE(0n, PACKET_SIZE), 0, /packet_size=0 bits/],
    [
      'a huge size',
      (bytes: Buffer) => bytes.writeBigUInt64LE(2n ** 63n, PACKET_SIZE),
      0,
      /the file ends within it/,
    ],
    [
      'a huge content',
      (bytes: Buffer) => bytes.writeBigUInt64LE(2n ** 63n, CONTENT_SIZE),
      0,
      /content_size=9223372036854775808 bits/,
    ],
    [
      'an end before its begin',
      (bytes: Buffer) => bytes.writeBigUInt64LE(1n, 32),
      0,
      /before its timestamp_begin=5/,
    ],
    [
      'a record behind its end',
      (bytes: Buffer) => bytes.writeBigUInt64LE(6n, 32),
      76,
      /after its packet's timestamp_end=6/,
    ],
    [
      'an event that is not there',
      (bytes: Buffer) => bytes.writeUInt8(9, 76),
      76,
      /id=9, which no event of stream 0 has/,
    ],
    [
      'a list that does not end',
      (bytes: Buffer) => bytes.writeUInt32LE(2 ** 32 - 1, 80),
      76,
      /a list of 4294967295 elements does not end/,
    ],
    ['less than a header', (bytes: Buffer) => bytes.subarray(0, 30), 0, /does not end inside/],
  ])('%s', (_name, change, offset, message) => {
    using folder = temporaryFolder()
    one(folder.path, eventText('uint32_t _n; uint8_t _x[_n];'), (bits) => bits.put(2, 32).put(7, 8).put(8, 8))
    expect(recordsOf(folder.path)).toHaveLength(1)
    const path = join(folder.path, 'channel_0')
    const bytes = readFileSync(path)
    const changed = change(bytes)
    writeFileSync(path, typeof changed === 'number' ? bytes : changed)
    const error = failure(() => recordsOf(folder.path))
    expect(error.message).toMatch(message)
    expect(error).toMatchObject({ path, offset })
  })

  test('that counts fewer discarded events than the one before has lost none: LTTng writes that', () => {
    using folder = temporaryFolder()
    cpSync(KEPT, folder.path, { recursive: true })
    const path = join(folder.path, 'few_0')
    const bytes = readFileSync(path)
    bytes.writeBigUInt64LE(50n, 72)
    writeFileSync(path, bytes)
    const trace = openTrace(folder.path)
    const losses = [...trace.items({ threads: ['CPU 0'] })].flatMap((item) =>
      item.type === 'loss' ? [[item.cpu, item.events]] : [],
    )
    expect(losses).toEqual([
      [0, 50],
      [1, 21],
    ])
    expect(trace.losses().map(({ eventsDiscarded }) => eventsDiscarded)).toEqual([0, 21])
  })

  test('takes no memory without bound, in files that are sparse', () => {
    using folder = temporaryFolder()
    one(folder.path, eventText('uint8_t _a;'), (bits) => bits.put(1, 8))
    const bytes = readFileSync(join(folder.path, 'channel_0'))
    bytes.writeBigUInt64LE(2n ** 29n, CONTENT_SIZE)
    bytes.writeBigUInt64LE(2n ** 29n, PACKET_SIZE)
    for (let i = 0; i < 9; i += 1) {
      const path = join(folder.path, `channel_${i}`)
      writeFileSync(path, bytes)
      truncateSync(path, 2 ** 26)
    }
    expect(failure(() => recordsOf(folder.path)).message).toMatch(/more than 536870912 bytes of memory/)
  })

  test('is an error or is read, whatever byte of a trace by LTTng is changed', () => {
    using folder = temporaryFolder()
    cpSync(KEPT, folder.path, { recursive: true })
    let refused = 0
    let tried = 0
    for (const [file, step] of [
      ['metadata', 61],
      ['all_0', 97],
    ] as const) {
      const path = join(folder.path, file)
      const whole = readFileSync(path)
      for (let at = 0; at < whole.length; at += step) {
        const bytes = Buffer.from(whole)
        bytes[at] ^= 1 << (at % 8)
        writeFileSync(path, bytes)
        tried += 1
        try {
          for (const { time } of openTrace(folder.path).items()) expect(typeof time).toBe('bigint')
        } catch (error) {
          expect(error).toBeInstanceOf(TraceError)
          refused += 1
        }
      }
      writeFileSync(path, whole)
    }
    expect(tried).toBeGreaterThan(250)
    expect(refused).toBeGreaterThan(50)
  })
})
