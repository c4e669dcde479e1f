/**
 * The common part of the encoders. It reads and checks the arguments of a call, and stores the
 * fields of a record: as source text, and step by step. ctf's field types have what depends on a
 * type. On every thread that traces.
 */
import { align, type FieldFunctions, type FieldMemory, type PlacedField, type RecordLayout } from '@rchan/ctf'
import { UNREAD } from './misfit.js'

// This runs when a thread comes online, in a program that may have replaced the methods of arrays.
// So this code uses none.

/** Returns the local variables of all fields, separated by commas. */
export function localList({ fields }: RecordLayout): string {
  let list = ''
  for (let index = 0; index < fields.length; index += 1) list += index === 0 ? 'a0' : `, a${index}`
  return list
}

/** Returns, for each field of variable length, ` + ` and its bytes beyond the minimum. */
export function variableSum({ fields }: RecordLayout, code: 'leastCode' | 'mostCode' | 'exactCode'): string {
  let sum = ''
  for (let index = 0; index < fields.length; index += 1) {
    const { variable } = fields[index].descriptor
    if (variable !== undefined) sum += ` + ${variable[code](`a${index}`)}`
  }
  return sum
}

/**
 * Returns a lower bound of the bytes that these values take beyond the minimum of their fields.
 * Reads no value.
 */
export function leastBytes(fields: readonly PlacedField[], values: readonly unknown[]): number {
  let bytes = 0
  for (let index = 0; index < fields.length; index += 1) {
    const { variable } = fields[index].descriptor
    if (variable !== undefined) bytes += variable.least(values[index])
  }
  return bytes
}

/** Like {@link leastBytes}, but exact. */
export function exactBytes(
  fields: readonly PlacedField[],
  values: readonly unknown[],
  memory: FieldMemory,
): number {
  let bytes = 0
  for (let index = 0; index < fields.length; index += 1) {
    const { variable } = fields[index].descriptor
    if (variable !== undefined) bytes += variable.exact(values[index], memory)
  }
  return bytes
}

/**
 * Returns code that reads every argument into a local variable and checks it. Everything that can
 * run the caller's code, or fail, is here.
 *
 * V8 inlines encoders by their size. So one call is for everything that can be wrong, and finds out
 * what it was. A value that can't be read stays "unread", which fits no type. (\`var\`, because
 * \`let\` stores \`undefined\` first.) At the end values that fit are replaced by what is stored.
 */
export function argumentCode(layout: RecordLayout): string {
  const { fields } = layout
  if (fields.length === 0) return ''
  let unread = ''
  let reads = ''
  let misfits = ''
  let conversions = ''
  for (let index = 0; index < fields.length; index += 1) {
    const { name, descriptor } = fields[index]
    unread += `a${index} = `
    reads += `    a${index} = args.${name}\n`
    misfits += `${index === 0 ? '' : ' || '}${descriptor.misfitCode(`a${index}`)}`
    const conversion = descriptor.convertCode(`a${index}`)
    if (conversion !== '') conversions += `  ${conversion}\n`
  }
  const locals = localList(layout)
  return `  var ${locals}
  ${unread}unread
  try {
${reads}  } catch {}
  if (${misfits}) return bad(typeof (args ?? 0), ${locals})
${conversions}`
}

/**
 * Returns code that stores the fields of a record at `at`. Behind a field of variable length,
 * `cursor` is the end of the previous field.
 */
export function fieldCode({ fields }: RecordLayout): string {
  let code = ''
  let moving = false
  for (let index = 0; index < fields.length; index += 1) {
    const { descriptor, offset, alignBytes } = fields[index]
    if (moving && alignBytes > 1) code += `  cursor = (cursor + ${alignBytes - 1}) & -${alignBytes}\n`
    const store = descriptor.storeCode(`a${index}`, moving ? 'cursor' : `at + ${offset}`)
    if (descriptor.variable !== undefined) {
      code += `  ${moving ? '' : 'let '}cursor = ${store}\n`
      moving = true
    } else {
      code += `  ${store}\n`
      if (moving) code += `  cursor += ${descriptor.bytes}\n`
    }
  }
  return code
}

/**
 * Reads the arguments into `values`, checks them, and replaces them by what is stored.
 * @returns false if one can't be read or doesn't fit.
 */
export function readArguments(
  fields: readonly PlacedField[],
  args: Readonly<Record<string, unknown>> | undefined,
  values: unknown[],
  functions: FieldFunctions,
): boolean {
  for (let index = 0; index < fields.length; index += 1) values[index] = UNREAD
  try {
    for (let index = 0; index < fields.length; index += 1) {
      values[index] = (args as Record<string, unknown>)[fields[index].name]
    }
  } catch {
    return false
  }
  for (let index = 0; index < fields.length; index += 1) {
    if (!fields[index].descriptor.fits(values[index])) return false
  }
  for (let index = 0; index < fields.length; index += 1) {
    const { convert } = fields[index].descriptor
    if (convert !== undefined) values[index] = convert(functions, values[index])
  }
  return true
}

/**
 * Stores the fields of a record whose payload starts at `at`.
 * @returns the first byte behind it.
 */
export function storeFields(
  fields: readonly PlacedField[],
  values: readonly unknown[],
  memory: FieldMemory,
  at: number,
): number {
  let cursor = at
  for (let index = 0; index < fields.length; index += 1) {
    const { descriptor, alignBytes } = fields[index]
    cursor = descriptor.store(memory, align(cursor, alignBytes), values[index])
  }
  return cursor
}
