/** Which schemas are allowed, and where their fields are in a record. */
import { describe, expect, test } from 'vitest'
import {
  FIELD_TYPE_NAMES,
  MAX_FIELDS,
  MAX_NAME_LENGTH,
  layoutRecord,
  loadU64,
  makeSchema,
  parseSchema,
  recordEnd,
  schemaText,
  storeSizes,
  storeU64,
  PACKET,
  type Field,
  type FieldType,
} from '@rchan/ctf'
import { recordBytes } from './fixture.js'

function manyFields(count: number): Record<string, FieldType> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, 'u8']))
}

describe('a schema', () => {
  test('keeps the order of its fields and is frozen', () => {
    const schema = makeSchema('tile:done', { id: 'u32', ms: 'f64', path: 'string' })
    expect(schema.fields.map((field) => `${field.name}:${field.type}`)).toEqual([
      'id:u32',
      'ms:f64',
      'path:string',
    ])
    expect(Object.isFrozen(schema) && Object.isFrozen(schema.fields)).toBe(true)
  })

  test.each(['', '1a', 'a b', 'a:', ':a', 'a::b', 'a"b', 'é', 'a\n', 'x'.repeat(MAX_NAME_LENGTH + 1)])(
    'of the name %j is refused, and the message shows the name',
    (name) => {
      expect(() => makeSchema(name, {})).toThrow(TypeError)
      expect(() => makeSchema(name, {})).toThrow(name === '' ? 'name=""' : JSON.stringify(name).slice(0, 20))
    },
  )

  test.each([
    'a',
    '_',
    'a:b',
    'a.b/c-d',
    'lttng_ust_cyg_profile:func_entry',
    'enum',
    'x'.repeat(MAX_NAME_LENGTH),
  ])('of the name %j is accepted', (name) => {
    expect(makeSchema(name, {}).name).toBe(name)
  })

  test.each(['1a', '', 'a b', 'a-b', 'é', 'x'.repeat(MAX_NAME_LENGTH + 1)])(
    'with a field named %j is refused',
    (name) => {
      expect(() => makeSchema('e', { [name]: 'u8' })).toThrow(/tracepoint e: field name=/)
    },
  )

  test('with a field named __proto__ is refused', () => {
    expect(() => makeSchema('e', JSON.parse('{ "__proto__": "u8" }') as Record<string, FieldType>)).toThrow(
      /not __proto__/,
    )
  })

  test('with two fields that differ only by a leading underscore is refused: readers take them for one', () => {
    expect(() => makeSchema('e', { _x: 'u8', x: 'u8' })).toThrow('fields _x and x differ only')
    expect(() => makeSchema('e', { x: 'u8', _x: 'u8' })).toThrow('fields x and _x differ only')
    expect(makeSchema('e', { x: 'u8', __x: 'u8' }).fields).toHaveLength(2)
  })

  test('with an unknown type is refused, and the message lists the types', () => {
    for (const type of ['u128', '', 'toString', 7, null, undefined, {}, Object.create(null)] as unknown[]) {
      expect(() => makeSchema('e', { a: type as FieldType })).toThrow(/field a has type=.*u8, u16, u32/)
    }
  })

  test('whose fields are not an object is refused', () => {
    for (const fields of [undefined, null, 7, ['u8'], 'u8'] as unknown[]) {
      expect(() => makeSchema('e', fields as Record<string, FieldType>)).toThrow(/tracepoint e: fields=/)
    }
  })

  test('has at most 64 fields', () => {
    expect(makeSchema('e', manyFields(MAX_FIELDS)).fields).toHaveLength(MAX_FIELDS)
    expect(() => makeSchema('e', manyFields(MAX_FIELDS + 1))).toThrow('65 fields, at most 64')
  })

  test('is the same after a journey as text', () => {
    const schema = makeSchema('all', Object.fromEntries(FIELD_TYPE_NAMES.map((type) => [`of_${type}`, type])))
    expect(parseSchema(schemaText(schema))).toStrictEqual({ ...schema })
  })

  test.each([
    '',
    'null',
    '{}',
    '[]',
    '[7]',
    '["a b"]',
    '["e", 1]',
    '["e", ["a"]]',
    '["e", ["a", "u9"]]',
    '["e", ["a b", "u8"]]',
  ])('is not made from the text %j', (text) => {
    expect(parseSchema(text)).toBeUndefined()
  })
})

describe('a record', () => {
  test.each<[string, number[], number, boolean]>([
    // fields, offsets, bytes without the strings' characters (−1: not fixed), packed
    ['', [], 12, true],
    ['u8', [12], 13, true],
    ['u32 u16 u8', [12, 16, 18], 19, true],
    ['u8 u32', [12, 16], 20, true],
    ['u32 f64', [12, 16], 24, true],
    ['u8 u64', [12, 16], 24, true],
    ['u16 u8 i64 f64', [12, 14, 16, 24], 32, true],
    ['f64', [16], 24, false],
    ['u64 u32', [16, 24], 28, false],
    ['u32 f64 u32 f64', [16, 24, 32, 40], 48, false],
    ['u32 f64 u32 u32 f64', [12, 16, 24, 28, 32], 40, true],
    ['string', [12], -1, true],
    ['u8 string u32', [12, 13, -1], -1, true],
    ['u32 f64 string', [12, 16, 24], -1, true],
    ['string f64', [16, -1], -1, false],
    ['u32 f64 string u64', [16, 24, 32, -1], -1, false],
  ])('of {%s} has its fields at %j and %d bytes', (types, offsets, bytes, packed) => {
    const fields = types
      .split(' ')
      .filter(Boolean)
      .map((type, i): Field => ({ name: `f${i}`, type: type as FieldType }))
    const layout = layoutRecord(fields)
    expect(layout.fields.map((field) => field.offset)).toEqual(offsets)
    expect(layout.fixedBytes).toBe(bytes)
    expect(layout.packed).toBe(packed)
  })

  test('ends where its last field ends, and never behind the limit', () => {
    const fields: Field[] = [
      { name: 'a', type: 'string' },
      { name: 'b', type: 'u64' },
      { name: 'c', type: 'string' },
    ]
    const bytes = recordBytes({ event: { id: 3, name: 'e', fields }, time: 5n, values: ['hello', 1n, 'é'] })
    const layout = layoutRecord(fields)
    const place = new Uint8Array(bytes.length + 16).fill(0xff)
    place.set(bytes, 8)
    expect(recordEnd(layout, place, 8, place.length)).toBe(8 + bytes.length)
    for (let limit = 8; limit < 8 + bytes.length; limit += 1)
      expect(recordEnd(layout, place, 8, limit)).toBe(-1)
    expect(layout.minBytes).toBe(
      recordBytes({ event: { id: 3, name: 'e', fields }, time: 5n, values: ['', 1n, ''] }).length,
    )
  })
})

describe('a packet header', () => {
  test('holds numbers of up to 53 bits as u64, little endian', () => {
    const u32 = new Uint32Array(4)
    for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER]) {
      storeU64(u32, 8, value)
      expect(new DataView(u32.buffer).getBigUint64(8, true)).toBe(BigInt(value))
      expect(loadU64(u32, 8)).toBe(value)
    }
  })

  test('has the exact end of the content, and the packet rounded up to 8 bytes', () => {
    const u32 = new Uint32Array(32)
    expect(storeSizes(u32, 8, 101)).toBe(104)
    expect(loadU64(u32, 8 + PACKET.contentBits)).toBe(808)
    expect(loadU64(u32, 8 + PACKET.packetBits)).toBe(832)
    expect(storeSizes(u32, 8, 104)).toBe(104)
  })
})
