import * as fc from 'fast-check'
import { getHeapStatistics } from 'node:v8'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import {
  FIELD_TYPE_NAMES,
  layoutRecord,
  makeSchema,
  PACKET_HEADER_BYTES,
  t,
  type FieldType,
} from '@rchan/ctf'
import { interpretEncoder, makeEncoder, textBytes, writeText } from '@rchan/trace/facade'
import { packetClient } from '@rchan/trace/packet-client'
import { anyText, anyType, readBack, valueOf } from './any-type.ts'
import { freshFolder, run } from './process.ts'
import { Rig, type RigOptions } from './rig.ts'

type Fields = Readonly<Record<string, FieldType>>

const anyFields: fc.Arbitrary<Fields> = fc
  .array(anyType(), { maxLength: 8 })
  .map((types) => Object.fromEntries(types.map((type, i) => [`f${i}`, type])))

const interpretEncoderNamed: typeof makeEncoder = (cpu, id, _name, fields) =>
  interpretEncoder(cpu, id, fields)

function untimed(records: readonly object[]): unknown[] {
  return records.map((record) => ({ ...record, time: 0n }))
}

const calls = fc.array(anyFields, { minLength: 1, maxLength: 3 }).chain((schemas) =>
  fc.record({
    schemas: fc.constant(schemas),
    calls: fc.array(
      fc.nat(schemas.length - 1).chain((which) =>
        fc.record({
          which: fc.constant(which),
          values: fc.record(
            Object.fromEntries(Object.entries(schemas[which]).map(([name, type]) => [name, valueOf(type)])),
          ),
        }),
      ),
      { maxLength: 60 },
    ),
  }),
)

const geometry: fc.Arbitrary<RigOptions> = fc.record({
  subbufSize: fc.integer({ min: 14, max: 100 }).map((words) => words * 8),
  subbufCount: fc.constantFrom(4, 200),
  global: fc.boolean(),
})

describe('compiled and interpreted encoders', () => {
  test('write the same bytes, apart from the time, for any fields and values, and they read back as they were', () => {
    fc.assert(
      fc.property(calls, geometry, ({ schemas, calls: list }, options) => {
        const rigs = (['compiled', 'interpreted'] as const).map((kind) => {
          const rig = new Rig(packetClient, options)
          const encoders = schemas.map((fields, i) => rig.encoder(kind, `test:e${i}`, fields))
          for (const { which, values } of list) encoders[which](values)
          return rig
        })
        const [compiled, interpreted] = rigs
        expect(compiled.bytes()).toEqual(interpreted.bytes())
        const { full, tooBig, bad } = compiled.discarded()
        const discarded = full + tooBig + bad
        expect(compiled.discarded()).toEqual(interpreted.discarded())
        // The reader checks the times: within a packet, from packet to packet, and against the
        // packets' own.
        const { records, totals } = compiled.deliver()
        expect(untimed(records)).toEqual(untimed(interpreted.deliver().records))
        expect(records.length + discarded).toBe(list.length)
        expect(totals?.events ?? 0).toBe(records.length)
        if (discarded > 0) return
        for (const [i, { event, fields }] of records.entries()) {
          const { which, values } = list[i]
          expect(event.name).toBe(`test:e${which}`)
          const wanted = Object.entries(schemas[which]).map(([name, type]) => [
            name,
            readBack(type, values[name]),
          ])
          expect(fields).toEqual(Object.fromEntries(wanted))
        }
      }),
      { numRuns: 150 },
    )
  })

  test('refuse the same values, count each, and leave no byte of them', () => {
    const odd = fc.constantFrom<unknown>(
      -0, -1, 1.5, NaN, Infinity, -Infinity, 127, 128, -128, -129, 255, 256, 32767, 32768, -32769, 65536, 2 ** 31, -(2 ** 31) - 1,
      2 ** 32 - 1, 2 ** 32, 2 ** 53, 0n, -1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n), -(2n ** 63n) - 1n, '', '1', true,
      null, undefined, {}, [], [1], Object(1), Object('x'), () => 1, Symbol.iterator,
    ) // prettier-ignore
    fc.assert(
      fc.property(
        fc.constantFrom(...FIELD_TYPE_NAMES),
        fc.array(odd, { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (type, values, global) => {
          const rigs = (['compiled', 'interpreted'] as const).map((kind) => {
            const rig = new Rig(packetClient, { subbufSize: 4096, subbufCount: 4, global })
            const encoder = rig.encoder(kind, 'test:odd', { a: 'u8', b: type })
            for (const value of values) encoder({ a: 1, b: value })
            return rig
          })
          const [compiled, interpreted] = rigs
          expect(compiled.bytes()).toEqual(interpreted.bytes())
          expect(compiled.discarded()).toEqual(interpreted.discarded())
          const { records } = compiled.deliver()
          expect(untimed(records)).toEqual(untimed(interpreted.deliver().records))
          expect(records.length + compiled.discarded().bad).toBe(values.length)
        },
      ),
      { numRuns: 200 },
    )
  })

  for (const kind of ['compiled', 'interpreted'] as const) {
    for (const global of [false, true]) {
      test(`${kind}: a text that is too long by its length alone is refused unread (global: ${global})`, () => {
        const rig = new Rig(packetClient, { subbufSize: 4096, subbufCount: 4, global })
        const encoder = rig.encoder(kind, 'test:long', { s: 'string', t: 'string' })
        encoder({ s: 'x', t: '' })
        // V8 makes such a text as a tree of halves. The first read of a character copies it into
        // one piece. The copy stays: 512 MiB more memory.
        const long = 'x'.repeat(2 ** 29 - 24)
        const before = getHeapStatistics().used_heap_size
        encoder({ s: long, t: '' })
        encoder({ s: '', t: long })
        const grown = getHeapStatistics().used_heap_size - before
        expect(grown).toBeLessThan(long.length / 2)
        encoder({ s: long, t: 'y' })
        expect(rig.discarded()).toEqual({ full: 0, tooBig: 3, bad: 0 })
        encoder({ s: 'x', t: '' })
        expect(rig.deliver().records).toHaveLength(2)
      })

      test(`${kind}: texts that have a little more than 2^32 characters together are too big (global: ${global})`, () => {
        const rig = new Rig(packetClient, { subbufSize: 4096, subbufCount: 4, global })
        const names = Array.from({ length: 9 }, (_, i) => `s${i}`)
        const encoder = rig.encoder(
          kind,
          'test:huge',
          Object.fromEntries(names.map((name) => [name, 'string'])),
        )
        const most = 2 ** 29 - 24
        const long = 'x'.repeat(most)
        const rest = 'x'.repeat(2 ** 32 - 8 * most + 100)
        const call = (last: string, others: string): void =>
          encoder(Object.fromEntries(names.map((name, i) => [name, i === 8 ? last : others])))
        call('', '')
        call(rest, long)
        call('', '')
        expect(rig.discarded()).toEqual({ full: 0, tooBig: 1, bad: 0 })
        expect(rig.deliver().records).toHaveLength(2)
      })

      test(`${kind}: what becomes of the fields after the declaration is not compiled (global: ${global})`, () => {
        const rig = new Rig(packetClient, { subbufSize: 4096, subbufCount: 4, global })
        const fields = [{ name: 'a', type: 'u32' as const }]
        const make = kind === 'compiled' ? makeEncoder : interpretEncoderNamed
        const schema = makeSchema('test:changed', { a: 'u32' })
        const encoder = make(rig.cpu, rig.declare(schema), schema.name, fields)
        fields[0].name = 'a; globalThis.injected = true'
        encoder({ a: 7 })
        expect(globalThis).not.toHaveProperty('injected')
        expect(rig.deliver().records.map((record) => record.fields)).toEqual([{ a: 7 }])
      })
    }

    test(`${kind}: a record goes where its size allows, up to the last byte of a sub-buffer`, () => {
      // sub-buffer, 40 bytes behind the header:
      //   | 12 + text + NUL, padded | … |    a record stays in it while the exact size fits, though three bytes for
      //                                      each character would not.
      const size = PACKET_HEADER_BYTES + 40
      const sizes = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom('x', 'é', '€')), {
        maxLength: 30,
      })
      fc.assert(
        fc.property(sizes, (texts) => {
          const rig = new Rig(packetClient, { subbufSize: size, subbufCount: 100 })
          const encoder = rig.encoder(kind, 'test:fit', { s: 'string' })
          const subbufs: number[][] = [[]]
          let at = 0
          let tooBig = 0
          for (const [count, c] of texts) {
            encoder({ s: c.repeat(count) })
            const bytes = 12 + Buffer.byteLength(c) * count + 1
            const start = (at + 7) & -8
            if (bytes > 40) {
              // It fits no sub-buffer, so none is left for it.
              tooBig += 1
              continue
            }
            if (start + bytes > 40) subbufs.push([])
            at = start + bytes > 40 ? bytes : start + bytes
            ;(subbufs.at(-1) as number[]).push(bytes)
          }
          if (texts.length === 0) return
          expect(rig.cpu.writer?.buffer.discarded()).toEqual({ full: 0, tooBig, bad: 0 })
          const lengths = rig.bytes().map((bytes) => bytes.length - PACKET_HEADER_BYTES)
          const wanted = subbufs.map((list) => list.reduce((end, bytes) => ((end + 7) & -8) + bytes, 0))
          expect(lengths).toEqual(wanted)
        }),
        { numRuns: 200 },
      )
    })

    test(`${kind}: a record that exactly fills a sub-buffer is written, one byte more is too big`, () => {
      for (const fields of [
        { s: 'string' },
        { s: 'string', n: 'u32' },
        { n: 'u64', s: 'string' },
        { s: 'string', t: 'string' },
      ] as Fields[]) {
        const layout = layoutRecord(makeSchema('test:x', fields).fields)
        const rig = new Rig(packetClient, { subbufSize: PACKET_HEADER_BYTES + 512, subbufCount: 50 })
        const encoder = rig.encoder(kind, 'test:x', fields)
        // Room for the gap that a field behind a text may need is always set aside.
        const gaps = layout.fields.reduce(
          (sum, field) => sum + (field.offset < 0 ? field.alignBytes - 1 : 0),
          0,
        )
        const most = 512 - layout.minBytes - gaps
        const call = (length: number): void =>
          encoder({ s: 'y'.repeat(length), n: fields.n === 'u64' ? 1n : 1, t: '' })
        call(most)
        expect(rig.cpu.discarded).toBe(0)
        call(most + 1)
        expect(rig.cpu.writer?.buffer.discarded()).toEqual({ full: 0, tooBig: 1, bad: 0 })
        call(0)
        expect(rig.deliver().records.map(({ fields: read }) => (read.s as string).length)).toEqual([most, 0])
      }
    })

    test(`${kind}: in a global buffer, too, a record that exactly fills a sub-buffer is written, one byte more is too big`, () => {
      for (const fields of [
        { s: 'string' },
        { n: 'u64', s: 'string', m: 'f64' },
        { s: 'string', n: 'u8', t: 'string' },
      ] as Fields[]) {
        const rig = new Rig(packetClient, { subbufSize: 512, subbufCount: 50, global: true })
        const encoder = rig.encoder(kind, 'test:x', fields)
        const { fields: placed } = layoutRecord(makeSchema('test:x', fields).fields, true)
        const call = (length: number): void =>
          encoder({ s: 'y'.repeat(length), n: fields.n === 'u64' ? 1n : 1, t: '', m: 1.5 })
        // The longest text with which the record, worked out here from its fields, has no more than
        // 512 bytes.
        const bytes = (length: number): number =>
          placed.reduce((end, { name, type, alignBytes }) => {
            const at = Math.ceil(end / alignBytes) * alignBytes
            return at + (type === 'string' ? (name === 's' ? length : 0) + 1 : alignBytes)
          }, 16)
        let most = 0
        for (let length = 0; length < 512; length += 1) if (bytes(length) <= 512) most = length
        for (const length of [most, most + 1, 512, 513, 5000, 0]) call(length)
        expect(rig.discarded()).toEqual({ full: 0, tooBig: 4, bad: 0 })
        expect(rig.deliver().records.map(({ fields: read }) => (read.s as string).length)).toEqual([most, 0])
      }
    })

    test(`${kind}: a tracepoint without fields takes any argument, and none`, () => {
      const rig = new Rig(packetClient, { subbufSize: 4096, subbufCount: 2 })
      const encoder = rig.encoder(kind, 'test:none', {}) as (...args: unknown[]) => void
      encoder()
      encoder({})
      encoder(undefined)
      encoder(null)
      expect(rig.cpu.discarded).toBe(0)
      expect(rig.deliver().records.map(({ event, fields }) => [event.name, fields])).toEqual(
        [1, 2, 3, 4].map(() => ['test:none', {}]),
      )
    })

    test.each<[boolean, FieldType, FieldType]>([
      [false, 'string', 'u32'],
      [true, 'string', 'u32'],
      [false, t.optional('string'), 'string'],
      [true, t.optional('string'), 'string'],
      [true, t.optional('string'), t.optional('string')],
    ])(
      `${kind}: a getter that traces, up to several sub-buffers, leaves the outer record whole (global: %j, of %j, traces %j)`,
      (global, ofOuter, ofInner) => {
        const rig = new Rig(packetClient, { subbufSize: PACKET_HEADER_BYTES + 64, subbufCount: 64, global })
        const inner = rig.encoder(kind, 'test:inner', { n: ofInner })
        const outer = rig.encoder(kind, 'test:outer', { a: 'u32', b: ofOuter })
        for (const count of [0, 1, 2, 3, 4, 5, 9]) {
          outer({
            a: count,
            get b() {
              for (let n = 0; n < count; n += 1) inner({ n: ofInner === 'u32' ? n : `${n}` })
              return 'b'.repeat(count)
            },
          })
        }
        const { records } = rig.deliver()
        expect(rig.discarded()).toEqual({ full: 0, tooBig: 0, bad: 0 })
        const outers = records.filter(({ event }) => event.name === 'test:outer')
        expect(outers.map(({ fields }) => fields)).toEqual(
          [0, 1, 2, 3, 4, 5, 9].map((a) => ({ a, b: 'b'.repeat(a) })),
        )
        expect(records.length - outers.length).toBe(24)
      },
    )
  }

  test('are overwritten oldest first, and what is left reads back in order', () => {
    const rig = new Rig(packetClient, { subbufSize: 512, subbufCount: 4, mode: 'overwrite' })
    const encoder = rig.encoder('compiled', 'test:n', { n: 'u32', s: 'string' })
    for (let n = 0; n < 500; n += 1) encoder({ n, s: 'x'.repeat(n % 40) })
    const { records, totals } = rig.deliver()
    const first = 500 - records.length
    expect(records.map(({ fields }) => fields.n)).toEqual(records.map((_, i) => first + i))
    expect(totals).toMatchObject({ events: records.length, overwritten: first })
  })
})

describe('a text', () => {
  test('takes as many bytes as were said, and not one byte behind them is touched', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 0, max: 9 }), (value, at) => {
        const bytes = textBytes(value)
        const memory = new Uint8Array(new SharedArrayBuffer(at + value.length * 3 + 64)).fill(0xaa)
        expect(writeText(memory, at, value)).toBe(at + bytes + 1)
        expect(memory[at + bytes]).toBe(0)
        expect(Buffer.from(memory.slice(at, at + bytes)).toString('utf8')).toBe(readBack('string', value))
        expect(memory.subarray(0, at).every((byte) => byte === 0xaa)).toBe(true)
        expect(memory.subarray(at + bytes + 1).every((byte) => byte === 0xaa)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('that ends with the memory is written whole', () => {
    for (const value of [
      '',
      'x',
      'é'.repeat(50),
      'x'.repeat(97),
      '€'.repeat(97),
      '😀'.repeat(97),
      'x\0'.repeat(60),
    ]) {
      const bytes = textBytes(value)
      const memory = new Uint8Array(new SharedArrayBuffer(bytes + 1))
      expect(writeText(memory, 0, value)).toBe(bytes + 1)
      expect(Buffer.from(memory.slice(0, bytes)).toString('utf8')).toBe(readBack('string', value))
    }
  })
})

describe('the first record of an encoder', () => {
  const options = { subbufSize: 4096, subbufCount: 4 }

  test.each(['compiled', 'interpreted'] as const)(
    'takes the slow path, and the next ones do not, and none of them begins a sub-buffer (%s)',
    (kind) => {
      const rig = new Rig(packetClient, options)
      const encoders = ['a', 'b'].map((name) => rig.encoder(kind, `test:${name}`, { x: 'u8' }))
      const rooms = vi.spyOn(rig.cpu, 'makeRoom')
      const counts: number[] = []
      for (let i = 0; i < 3; i += 1) {
        for (const encoder of encoders) encoder({ x: i })
        counts.push(rooms.mock.calls.length)
      }
      expect(counts).toEqual([2, 2, 2])
      expect(rig.bytes()).toHaveLength(1)
      expect(rig.deliver().records.map(({ fields }) => fields)).toEqual(
        [0, 0, 1, 1, 2, 2].map((x) => ({ x })),
      )
    },
  )

  test('leaves the view open when its arguments are bad', () => {
    const rig = new Rig(packetClient, options)
    const encoder = rig.encoder('compiled', 'test:bad', { x: 'u8' })
    encoder({ x: -1 })
    expect(rig.cpu.view.limit).toBe(4096)
    encoder({ x: 1 })
    expect(rig.discarded()).toEqual({ full: 0, tooBig: 0, bad: 1 })
    expect(rig.deliver().records.map(({ fields }) => fields)).toEqual([{ x: 1 }])
  })

  test('may have a getter that traces', () => {
    const rig = new Rig(packetClient, options)
    const inner = rig.encoder('compiled', 'test:inner', { x: 'u8' })
    const outer = rig.encoder('compiled', 'test:outer', { x: 'u8' })
    const withGetter = {
      get x() {
        inner({ x: 1 })
        return 2
      },
    }
    outer(withGetter)
    outer(withGetter)
    expect(rig.bytes()).toHaveLength(1)
    expect(rig.deliver().records.map(({ fields }) => fields)).toEqual([1, 2, 1, 2].map((x) => ({ x })))
  })
})

// V8 optimizes code for the ways that it has gone. What it then has to throw away is compiled a
// second time, and the thread runs slow code for thousands of events meanwhile.
test.each(['per-thread', 'global'])('no switch throws optimized code away (%s)', async (buffers) => {
  const { stdout } = await run('switches.mjs', [join(freshFolder(), 'trace'), buffers], ['--trace-deopt'])
  expect(stdout).toContain('switches: ')
  const lines = stdout.split('\n').filter((line) => /type feedback for call|JSFunction reserve/.test(line))
  expect(lines).toEqual([])
})
