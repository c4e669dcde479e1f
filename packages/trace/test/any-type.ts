/** Any types of fields, and values for them: what is given, and what a reader gives back. */
import * as fc from 'fast-check'
import { FIELD_TYPE_NAMES, t, type FieldType, type FieldTypeName, type NumberTypeName } from '@rchan/ctf'

/**
 * Texts of all kinds: short ones, ones around the length from which the engine encodes them, and
 * ones with characters that are hard for UTF-8.
 */
const character = fc.constantFrom(
  'a', '~', '\u007f', '\u0080', 'é', '\u07ff', '\u0800', '€', '\uffff', '😀', '\u{10ffff}', '\0', '\ud800', '\udfff', ' ',
) // prettier-ignore
export const anyText = fc.oneof(
  fc.string({ unit: character, maxLength: 12 }),
  fc.string({ unit: character, minLength: 90, maxLength: 103 }),
  fc
    .tuple(fc.integer({ min: 0, max: 320 }), fc.string({ unit: character, maxLength: 3 }))
    .map(([n, end]) => 'x'.repeat(n) + end),
  fc.tuple(fc.integer({ min: 90, max: 103 }), fc.constantFrom('é', '€', '😀')).map(([n, c]) => c.repeat(n)),
)

const safe = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
const VALUES: Record<FieldTypeName, fc.Arbitrary<unknown>> = {
  u8: fc.integer({ min: 0, max: 255 }),
  u16: fc.integer({ min: 0, max: 65535 }),
  u32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  u64: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), safe.map(Math.abs)),
  i8: fc.integer({ min: -128, max: 127 }),
  i16: fc.integer({ min: -32768, max: 32767 }),
  i32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  i64: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), safe),
  f32: fc.float(),
  f64: fc.double(),
  bool: fc.boolean(),
  string: anyText,
  interned: fc.oneof(fc.constantFrom('', 'a.js', 'b.js', '/long/path/'.repeat(20)), anyText),
  bytes: fc.uint8Array({ maxLength: 20 }),
}
const NUMBERS = FIELD_TYPE_NAMES.filter((name) => /\d/.test(name)) as NumberTypeName[]
const number = fc.constantFrom(...NUMBERS)
const labels = fc.uniqueArray(fc.stringMatching(/^[a-z"\\ é]{1,5}$/), { minLength: 1, maxLength: 20 })

/** Any type, nested at most `depth` deep. */
export function anyType(depth = 2): fc.Arbitrary<FieldType> {
  const flat: fc.Arbitrary<FieldType>[] = [
    fc.constantFrom(...FIELD_TYPE_NAMES),
    fc.constantFrom(...FIELD_TYPE_NAMES),
    labels.map((list) => t.enum(...list)),
    fc.constant(t.enum(...Array.from({ length: 300 }, (_, i) => `label ${i}`))),
    fc.integer({ min: 1, max: 40 }).map((max) => t.string({ max })),
    fc.integer({ min: 1, max: 12 }).map((max) => t.bytes({ max })),
    fc.constant(t.u32({ base: 16, unit: 'bytes', description: 'a "size"; with / and % & = ? é' })),
    fc.constant(t.i64({ base: 8 })),
    fc.tuple(number, fc.integer({ min: 1, max: 6 })).map(([of, length]) => t.array(of, length)),
    fc.tuple(number, fc.integer({ min: 1, max: 6 })).map(([of, max]) => t.seq(of, { max })),
  ]
  if (depth === 0) return fc.oneof(...flat)
  const inner = anyType(depth - 1)
  return fc.oneof(
    ...flat,
    fc
      .array(inner, { maxLength: 4 })
      .map((types) => t.struct(Object.fromEntries(types.map((type, i) => [`m${i}`, type])))),
    inner
      .filter((type) => typeof type === 'string' || type.type !== 'optional')
      .map((type) => t.optional(type)),
  )
}

/** A value that fits a type. */
export function valueOf(type: FieldType): fc.Arbitrary<unknown> {
  if (typeof type === 'string') return VALUES[type]
  switch (type.type) {
    case 'enum':
      return fc.constantFrom(...type.labels)
    case 'array':
      return fc.array(VALUES[type.of], { minLength: type.length, maxLength: type.length })
    case 'seq':
      return fc.array(VALUES[type.of], { maxLength: type.max * 2 })
    case 'struct':
      return fc.record(Object.fromEntries(type.fields.map((field) => [field.name, valueOf(field.type)])))
    case 'optional':
      return fc.oneof(fc.constantFrom(undefined, null), valueOf(type.of))
    default:
      return VALUES[type.type]
  }
}

/** The value that a reader gives for a written value. */
export function readBack(type: FieldType, value: unknown): unknown {
  const word = typeof type === 'string' ? type : type.type
  if (word === 'f32') return Math.fround(value as number)
  if (word === 'u64' || word === 'i64') return BigInt(value as number)
  // The reader of whole numbers gives no −0.
  if (/^[ui]\d/.test(word)) return (value as number) + 0
  // Half a surrogate pair becomes U+FFFD on the way.
  if (word === 'string' || word === 'interned') {
    const whole = Buffer.from((value as string).replaceAll('\0', '␀')).toString()
    return typeof type === 'object' && 'max' in type ? cutText(whole, type.max as number) : whole
  }
  if (word === 'bytes') {
    const max = typeof type === 'object' && 'max' in type ? (type.max as number) : 4096
    return new Uint8Array((value as Uint8Array).subarray(0, max))
  }
  if (typeof type === 'string') return value
  switch (type.type) {
    case 'array':
      return (value as unknown[]).map((element) => readBack(type.of, element))
    case 'seq':
      return (value as unknown[]).slice(0, type.max).map((element) => readBack(type.of, element))
    case 'struct':
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          readBack(field.type, (value as Record<string, unknown>)[field.name]),
        ]),
      )
    case 'optional':
      return value === undefined || value === null ? undefined : readBack(type.of, value)
    default:
      return value
  }
}

function cutText(whole: string, max: number): string {
  if (Buffer.byteLength(whole) <= max) return whole
  if (max < 3) return ''
  let start = ''
  for (const char of whole) {
    if (Buffer.byteLength(start + char) + 3 > max) break
    start += char
  }
  return `${start}…`
}
