import { describe, expect, test } from 'vitest'
import { thisCpu } from '@rchan/runtime'
import { tracepoint, type FieldTypes } from '@rchan/trace'

const declare = tracepoint as (name: unknown, fields: unknown) => unknown

describe('a tracepoint', () => {
  test('is a function with the name and the schema that it was declared with', () => {
    const point = tracepoint('tile:done/all.x-y', { id: 'u32', path: 'string' })
    expect(point.name).toBe('tile:done/all.x-y')
    expect(point.schema).toEqual({
      name: 'tile:done/all.x-y',
      fields: [
        { name: 'id', type: 'u32' },
        { name: 'path', type: 'string' },
      ],
    })
    expect(Object.isFrozen(point.schema)).toBe(true)
    expect(Object.isFrozen(point.schema.fields)).toBe(true)
    expect(point.schema.fields.every(Object.isFrozen)).toBe(true)
  })

  test('does nothing, returns nothing and reads nothing of its arguments while nothing is recorded', () => {
    const point = tracepoint('test:off', { id: 'u32' })
    let read = 0
    const fields = {
      get id() {
        read += 1
        return 1
      },
    }
    expect(point(fields)).toBeUndefined()
    expect((point as unknown as () => void)()).toBeUndefined()
    expect(read).toBe(0)
    expect(point.enabled).toBe(false)
  })

  test('with the same name and fields takes the same id; with other fields, or in another order, another', () => {
    const before = thisCpu.control.entries().found.length
    const added = (fields: FieldTypes): number => {
      tracepoint('test:same', fields)
      return thisCpu.control.entries().found.length - before
    }
    expect(added({ a: 'u32', b: 'u8' })).toBe(1)
    expect(added({ a: 'u32', b: 'u8' })).toBe(1)
    expect(added({ b: 'u8', a: 'u32' })).toBe(2)
    expect(added({ a: 'u32', b: 'i8' })).toBe(3)
  })

  test('says that it is enabled exactly while a recording wants it', () => {
    const point = tracepoint('test:enabled', { id: 'u32' })
    const { control } = thisCpu
    try {
      control.enable(1)
      expect(point.enabled).toBe(true)
    } finally {
      control.enable(0)
    }
    expect(point.enabled).toBe(false)
  })

  for (const name of [
    '',
    '1a',
    'a b',
    'a::b',
    ':a',
    'a:',
    'ä',
    'a\n',
    "a'",
    'a*/b',
    'a`',
    'x'.repeat(201),
    7,
    null,
    {},
  ]) {
    test(`can’t be called ${JSON.stringify(name)?.slice(0, 20)}, and the error says so`, () => {
      expect(() => declare(name, {})).toThrow(TypeError)
      expect(() => declare(name, {})).toThrow(/name=/)
    })
  }

  for (const [fields, said] of [
    [{ id: 'u33' }, /field id has type="u33".*u8, u16, u32/],
    [{ id: 'toString' }, /field id has type="toString"/],
    [{ id: 4 }, /field id has type=4/],
    [{ id: null }, /field id has type=null/],
    [{ 'a b': 'u8' }, /field name="a b"/],
    [{ 'a;b': 'u8' }, /field name="a;b"/],
    [{ '': 'u8' }, /field name=""/],
    [{ _a: 'u8', a: 'u8' }, /differ only by a leading underscore/],
    [JSON.parse('{"__proto__":"u8"}'), /__proto__/],
    [Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, 'u8'])), /65 fields, at most 64/],
    [[], /fields=/],
    ['u8', /fields="u8"/],
    [null, /fields=null/],
  ] as [unknown, RegExp][]) {
    test(`can’t have the fields ${JSON.stringify(fields)?.slice(0, 40)}, and the error says which and why`, () => {
      expect(() => declare('test:fields', fields)).toThrow(TypeError)
      expect(() => declare('test:fields', fields)).toThrow(/test:fields/)
      expect(() => declare('test:fields', fields)).toThrow(said)
    })
  }

  test('can have any word of the language as a field’s name', () => {
    const words = [
      'class',
      'enum',
      'await',
      'return',
      'this',
      'eval',
      'arguments',
      'constructor',
      'prototype',
      'args',
      'view',
      'cpu',
      'a0',
      'at',
      'q',
    ]
    const fields = Object.fromEntries(words.map((word) => [word, 'u8'])) as FieldTypes
    const point = tracepoint('test:words', fields)
    expect(point.schema.fields.map(({ name }) => name)).toEqual(words)
  })
})
