/**
 * What the encoders have in common: how each type of field is checked and stored, as source text and step by step.
 * On every thread that traces; see encoder.ts.
 */
import { align, type FieldType, type PlacedField, type RecordLayout } from '@rchan/ctf'
import { writeText } from './text.js'

// Taken when this module is loaded.
// oxlint-disable-next-line typescript/unbound-method -- they use no `this`
const { asIntN, asUintN } = BigInt

/** A bigint wrapped to 64 bits, signed: equal to itself if it fits. */
export const asI64 = (value: bigint): bigint => asIntN(64, value)
/** The same, unsigned. */
export const asU64 = (value: bigint): bigint => asUintN(64, value)

/** How a type of field is checked and stored. `misfit`: when a local does not fit it. */
interface FieldCode {
  readonly misfit: (local: string) => string
  readonly array: string
  readonly shift: number
}

/** For each type. */
export const CODE: Record<FieldType, FieldCode> = {
  u8: {
    misfit: ($) => `typeof ${$} !== 'number' || ${$} >>> 0 !== ${$} || ${$} > 255`,
    array: 'u8',
    shift: 0,
  },
  u16: {
    misfit: ($) => `typeof ${$} !== 'number' || ${$} >>> 0 !== ${$} || ${$} > 65535`,
    array: 'u16',
    shift: 1,
  },
  u32: { misfit: ($) => `typeof ${$} !== 'number' || ${$} >>> 0 !== ${$}`, array: 'u32', shift: 2 },
  u64: { misfit: ($) => `typeof ${$} !== 'bigint' || asU64(${$}) !== ${$}`, array: 'u64', shift: 3 },
  i8: { misfit: ($) => `typeof ${$} !== 'number' || ${$} << 24 >> 24 !== ${$}`, array: 'i8', shift: 0 },
  i16: { misfit: ($) => `typeof ${$} !== 'number' || ${$} << 16 >> 16 !== ${$}`, array: 'i16', shift: 1 },
  i32: { misfit: ($) => `typeof ${$} !== 'number' || (${$} | 0) !== ${$}`, array: 'i32', shift: 2 },
  i64: { misfit: ($) => `typeof ${$} !== 'bigint' || asI64(${$}) !== ${$}`, array: 'i64', shift: 3 },
  f32: { misfit: ($) => `typeof ${$} !== 'number'`, array: 'f32', shift: 2 },
  f64: { misfit: ($) => `typeof ${$} !== 'number'`, array: 'f64', shift: 3 },
  bool: { misfit: ($) => `typeof ${$} !== 'boolean'`, array: 'u8', shift: 0 },
  string: { misfit: ($) => `typeof ${$} !== 'string'`, array: 'u8', shift: 0 },
}

// This runs when a thread comes online, in a program that may have replaced the methods of arrays: so there are none.

/** The locals of all fields, separated by commas. */
export function localList({ fields }: RecordLayout): string {
  let list = ''
  for (let index = 0; index < fields.length; index += 1) list += index === 0 ? 'a0' : `, a${index}`
  return list
}

/** ` + ` and what `of` makes of its local, for each field that is a text. */
export function textSum({ fields }: RecordLayout, of: (local: string) => string): string {
  let sum = ''
  for (let index = 0; index < fields.length; index += 1) {
    if (fields[index].type === 'string') sum += ` + ${of(`a${index}`)}`
  }
  return sum
}

/** Reads every argument into a local and checks it. All that can run the caller's code or fail is here. */
export function argumentCode(layout: RecordLayout): string {
  const { fields } = layout
  if (fields.length === 0) return ''
  let reads = ''
  let checks = ''
  for (let index = 0; index < fields.length; index += 1) {
    const { name, type } = fields[index]
    reads += `    a${index} = args.${name}\n`
    checks += `  if (${CODE[type].misfit(`a${index}`)}) return discardBad()\n`
  }
  return `  let ${localList(layout)}
  try {
${reads}  } catch {
    return discardBad()
  }
${checks}`
}

/** Stores the fields of a record at `at`. Behind a text, `q` is where the last one ended. */
export function fieldCode({ fields }: RecordLayout): string {
  let code = ''
  let moving = false
  for (let index = 0; index < fields.length; index += 1) {
    const { type, offset, alignBytes } = fields[index]
    const { array, shift } = CODE[type]
    if (type === 'string') {
      code += `  ${moving ? '' : 'let '}q = writeText(u8, ${moving ? 'q' : `at + ${offset}`}, a${index})\n`
      moving = true
      continue
    }
    if (moving && alignBytes > 1) code += `  q = (q + ${alignBytes - 1}) & -${alignBytes}\n`
    const place = moving ? 'q' : `at + ${offset}`
    const element = shift === 0 ? place : `(${place}) >> ${shift}`
    code += `  ${array}[${element}] = a${index}${type === 'bool' ? ' ? 1 : 0' : ''}\n`
    if (moving) code += `  q += ${alignBytes}\n`
  }
  return code
}

/** Reads and checks the arguments. @returns their values; undefined when one can't be read or doesn't fit. */
export function readArguments(
  fields: readonly PlacedField[],
  args: Readonly<Record<string, unknown>> | undefined,
): unknown[] | undefined {
  const values: unknown[] = []
  try {
    for (let index = 0; index < fields.length; index += 1) {
      const { name, type } = fields[index]
      const value = (args as Record<string, unknown>)[name]
      if (!fits(type, value)) return undefined
      values[index] = value
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
  for (let index = 0; index < fields.length; index += 1) {
    const field = fields[index]
    q = align(q, field.alignBytes)
    const value = values[index]
    if (field.type === 'string') {
      q = writeText(arrays.u8, q, value as string)
    } else {
      const { array, shift } = CODE[field.type]
      arrays[array][q >> shift] = field.type === 'bool' ? (value === true ? 1 : 0) : value
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
    default:
      return typeof value === 'number' && fitsBits(type, value)
  }
}

function fitsBits(
  type: Exclude<FieldType, 'string' | 'bool' | 'f32' | 'f64' | 'u64' | 'i64'>,
  value: number,
): boolean {
  switch (type) {
    case 'u8':
      return value >>> 0 === value && value <= 255
    case 'u16':
      return value >>> 0 === value && value <= 65535
    case 'u32':
      return value >>> 0 === value
    case 'i8':
      return (value << 24) >> 24 === value
    case 'i16':
      return (value << 16) >> 16 === value
    default:
      return (value | 0) === value
  }
}
