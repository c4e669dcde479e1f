/** The two halves of the field types: each type is in both, and its two forms agree. */
import { describe, expect, test } from 'vitest'
import {
  CODE_FUNCTIONS,
  FIELD_TYPES,
  FIELD_TYPE_NAMES,
  fieldType,
  metadataText,
  numberViews,
} from '@rchan/ctf'
import type { FieldDescriptor, FieldMemory } from '@rchan/ctf'
import { parseMetadata } from '@rchan/ctf/reader'
import { FIELD_READERS, wordsOf } from '../dist/field-readers.js'
import { UUID } from './fixture.js'

/** Values that fit some type, at the ends of ranges and behind them. */
const VALUES: readonly unknown[] = [
  0, -0, 1, -1, 0.5, NaN, Infinity, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 65535, 65536,
  2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 0n, -1n, 1n, 2n ** 63n - 1n,
  2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n), -(2n ** 63n) - 1n, '', 'a', 'é€😀', 'x'.repeat(300), true, false,
  null, undefined, {}, [], Symbol.iterator,
] // prettier-ignore

const BYTES = 1024

/** Memory in which each byte that is not stored shows. */
function memory(): FieldMemory {
  const buffer = new Uint8Array(BYTES).fill(0xaa).buffer
  return {
    ...numberViews(buffer),
    textBytes: (text) => Buffer.byteLength(text),
    writeText: (u8, at, text) => {
      const bytes = Buffer.from(`${text}\0`)
      u8.set(bytes, at)
      return at + bytes.length
    },
    limitText: (text) => text,
    intern: (text) => text.length + 1,
    cut: () => {},
    limit: BYTES,
  }
}

/** The types of one word that have source text. */
const SIMPLE = Object.keys(FIELD_TYPES) as (keyof typeof FIELD_TYPES)[]

/** Runs source text of a type, as the encoders do. */
function run(code: string, value: unknown, to: FieldMemory): unknown {
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- as encoders do
  const make = new Function(
    'env',
    'a0',
    `const { ${Object.keys({ ...to, ...CODE_FUNCTIONS }).join(', ')} } = env\n${code}`,
  )
  return (make as (env: object, value: unknown) => unknown)({ ...to, ...CODE_FUNCTIONS }, value)
}

function fitting(descriptor: FieldDescriptor): readonly unknown[] {
  return VALUES.filter((value) => descriptor.fits(value))
}

test('each type is known to both halves', () => {
  expect(Object.keys(FIELD_READERS)).toEqual(SIMPLE)
  expect([...SIMPLE, 'bytes']).toEqual(FIELD_TYPE_NAMES)
})

describe.each(SIMPLE)('a field of type %s', (type) => {
  const descriptor = fieldType(type)
  const { variable } = descriptor

  test('takes the same values compiled and step by step', () => {
    const taken = VALUES.filter((value) => run(`return !(${descriptor.misfitCode('a0')})`, value, memory()))
    expect(taken).toEqual(fitting(descriptor))
    expect(taken.length).toBeGreaterThan(1)
  })

  test('is stored by the same bytes compiled and step by step, and read back from them', () => {
    const at = 8
    for (const value of fitting(descriptor)) {
      const compiled = memory()
      const stepped = memory()
      const code = descriptor.storeCode('a0', `${at}`)
      const converted = descriptor.convert === undefined ? value : descriptor.convert(stepped, value)
      expect(run(`${descriptor.convertCode('a0')}\nreturn a0`, value, compiled)).toBe(converted)
      const end = descriptor.store(stepped, at, converted)
      const behind = run(variable === undefined ? code : `return ${code}`, converted, compiled)
      if (variable !== undefined) expect(behind).toBe(end)
      expect(compiled.u8).toEqual(stepped.u8)
      const bytes = Buffer.from(stepped.u8.buffer)
      const packet = {
        bytes,
        view: new DataView(stepped.u8.buffer),
        words: undefined,
        limit: end,
        end: 0,
        wrong: undefined,
        stringOf: (number: number) => (number === converted ? (value as string) : undefined),
      }
      const stored = type === 'f32' ? Math.fround(value as number) : value
      const isWide = type === 'u64' || type === 'i64'
      const read = isWide ? BigInt(value as number) : stored === 0 && !type.startsWith('f') ? 0 : stored
      for (const words of [undefined, wordsOf(bytes)]) {
        expect(FIELD_READERS[type]({ ...packet, words }, at)).toEqual(read)
      }
      expect(FIELD_READERS[type](packet, at)).toEqual(read)
      if (variable !== undefined) expect(packet.end).toBe(end)
    }
  })

  test('takes the bytes that it says', () => {
    for (const value of fitting(descriptor)) {
      const to = memory()
      const bytes = descriptor.store(
        to,
        0,
        descriptor.convert === undefined ? value : descriptor.convert(to, value),
      )
      const exact = descriptor.bytes + (variable?.exact(value, to) ?? 0)
      expect(bytes).toBe(exact)
      if (variable === undefined) continue
      expect(descriptor.bytes + Number(run(`return ${variable.exactCode('a0')}`, value, to))).toBe(bytes)
      const least = variable.least(value)
      expect(run(`return ${variable.leastCode('a0')}`, value, to)).toBe(least)
      expect(descriptor.bytes + least).toBeLessThanOrEqual(bytes)
      expect(
        descriptor.bytes + Number(run(`return ${variable.mostCode('a0')}`, value, to)),
      ).toBeGreaterThanOrEqual(bytes)
      expect(variable.end(to.u8, 0, bytes)).toBe(bytes)
      expect(variable.end(to.u8, 0, bytes - 1)).toBe(-1)
    }
  })

  test('is the same after a journey through the metadata', () => {
    const events = [{ id: 0, name: 'e', fields: [{ name: 'a', type }] }]
    const clock = { offsetSeconds: 0, offsetNs: 0 }
    const text = metadataText({ uuid: UUID, clock, env: {}, events, strings: ['a', ''] })
    expect(parseMetadata(text, 'metadata').events).toEqual(events)
  })
})
