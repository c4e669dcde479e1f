/**
 * What the encoders have in common: how each type of field is checked and stored, as source text and step by step.
 * On every thread that traces; see encoder.ts.
 */
import { align, type FieldType, type PlacedField, type RecordLayout } from '@rchan/ctf'
import { writeText } from './text.js'

/** A bigint wrapped to 64 bits, signed: equal to itself if it fits. */
export const asI64 = (value: bigint): bigint => BigInt.asIntN(64, value)
/** The same, unsigned. */
export const asU64 = (value: bigint): bigint => BigInt.asUintN(64, value)

/** For each type: when a local `$` does not fit it, and how it is stored. */
export const CODE: Record<FieldType, { misfit: string; array: string; shift: number; value: string }> = {
  u8: { misfit: `typeof $ !== 'number' || $ >>> 0 !== $ || $ > 255`, array: 'u8', shift: 0, value: '$' },
  u16: { misfit: `typeof $ !== 'number' || $ >>> 0 !== $ || $ > 65535`, array: 'u16', shift: 1, value: '$' },
  u32: { misfit: `typeof $ !== 'number' || $ >>> 0 !== $`, array: 'u32', shift: 2, value: '$' },
  u64: { misfit: `typeof $ !== 'bigint' || asU64($) !== $`, array: 'u64', shift: 3, value: '$' },
  i8: { misfit: `typeof $ !== 'number' || $ << 24 >> 24 !== $`, array: 'i8', shift: 0, value: '$' },
  i16: { misfit: `typeof $ !== 'number' || $ << 16 >> 16 !== $`, array: 'i16', shift: 1, value: '$' },
  i32: { misfit: `typeof $ !== 'number' || ($ | 0) !== $`, array: 'i32', shift: 2, value: '$' },
  i64: { misfit: `typeof $ !== 'bigint' || asI64($) !== $`, array: 'i64', shift: 3, value: '$' },
  f32: { misfit: `typeof $ !== 'number'`, array: 'f32', shift: 2, value: '$' },
  f64: { misfit: `typeof $ !== 'number'`, array: 'f64', shift: 3, value: '$' },
  bool: { misfit: `typeof $ !== 'boolean'`, array: 'u8', shift: 0, value: '$ ? 1 : 0' },
  string: { misfit: `typeof $ !== 'string'`, array: 'u8', shift: 0, value: '$' },
}

/** The lines that read every argument into a local and check it. All that can run the caller's code or fail is here. */
export function argumentLines({ fields }: RecordLayout, locals: readonly string[]): string[] {
  if (fields.length === 0) return []
  return [
    `  let ${locals.join(', ')}`,
    `  try {`,
    ...fields.map((field, index) => `    ${locals[index]} = args.${field.name}`),
    `  } catch {`,
    `    return discardBad()`,
    `  }`,
    ...fields.map(
      (field, index) =>
        `  if (${CODE[field.type].misfit.replaceAll('$', locals[index])}) return discardBad()`,
    ),
  ]
}

/** The lines that store the fields of a record at `at`. Behind a text, `q` is where the last one ended. */
export function fieldLines({ fields }: RecordLayout, locals: readonly string[]): string[] {
  const lines: string[] = []
  let moving = false
  for (const [index, field] of fields.entries()) {
    const { array, shift, value } = CODE[field.type]
    if (field.type === 'string') {
      const from = moving ? 'q' : `at + ${field.offset}`
      lines.push(`  ${moving ? '' : 'let '}q = writeText(u8, ${from}, ${locals[index]})`)
      moving = true
      continue
    }
    if (moving && field.alignBytes > 1)
      lines.push(`  q = (q + ${field.alignBytes - 1}) & -${field.alignBytes}`)
    const place = moving ? 'q' : `at + ${field.offset}`
    const element = shift === 0 ? place : `(${place}) >> ${shift}`
    lines.push(`  ${array}[${element}] = ${value.replaceAll('$', locals[index])}`)
    if (moving) lines.push(`  q += ${field.alignBytes}`)
  }
  return lines
}

/** Reads and checks the arguments. @returns their values; undefined when one can't be read or doesn't fit. */
export function readArguments(
  fields: readonly PlacedField[],
  args: Readonly<Record<string, unknown>> | undefined,
): unknown[] | undefined {
  const values: unknown[] = []
  try {
    for (const field of fields) {
      const value = (args as Record<string, unknown>)[field.name]
      if (!fits(field.type, value)) return undefined
      values.push(value)
    }
  } catch {
    return undefined
  }
  return values
}

/** Stores the fields of a record whose payload starts at `at`. @returns the first byte behind it. */
export function storeFields(
  fields: readonly PlacedField[],
  values: readonly unknown[],
  views: object,
  at: number,
): number {
  const arrays = views as Readonly<Record<string, unknown[]>> & { readonly u8: Uint8Array }
  let q = at
  for (const [index, field] of fields.entries()) {
    q = align(q, field.alignBytes)
    const value = values[index]
    if (field.type === 'string') {
      q = writeText(arrays.u8, q, value as string)
    } else {
      const { array, shift } = CODE[field.type]
      arrays[array][q >> shift] = field.type === 'bool' ? Number(value) : value
      q += field.alignBytes
    }
  }
  return q
}

/** Whether a value fits a type: what the compiled encoder checks inline. */
function fits(type: FieldType, value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'bool':
      return typeof value === 'boolean'
    case 'f32':
    case 'f64':
      return typeof value === 'number'
    case 'u64':
      return typeof value === 'bigint' && asU64(value) === value
    case 'i64':
      return typeof value === 'bigint' && asI64(value) === value
    default: {
      if (typeof value !== 'number' || !Number.isInteger(value)) return false
      const bits = Number(type.slice(1))
      const least = type.startsWith('i') ? -(2 ** (bits - 1)) : 0
      return value >= least && value < least + 2 ** bits
    }
  }
}
