/**
 * What the encoders have in common: the arguments of a call are read and checked, and the fields of
 * a record stored, as source text and step by step. What a type needs is in ctf's field types. On
 * every thread that traces.
 */
import { align, type FieldMemory, type PlacedField, type RecordLayout } from '@rchan/ctf'

// This runs when a thread comes online, in a program that may have replaced the methods of arrays:
// so there are none.

/** The locals of all fields, separated by commas. */
export function localList({ fields }: RecordLayout): string {
  let list = ''
  for (let index = 0; index < fields.length; index += 1) list += index === 0 ? 'a0' : `, a${index}`
  return list
}

/** ` + ` and the bytes beyond its fewest, for each field of variable length. */
export function variableSum({ fields }: RecordLayout, code: 'leastCode' | 'mostCode' | 'exactCode'): string {
  let sum = ''
  for (let index = 0; index < fields.length; index += 1) {
    const { variable } = fields[index].descriptor
    if (variable !== undefined) sum += ` + ${variable[code](`a${index}`)}`
  }
  return sum
}

/** Bytes that these values take beyond the fewest of their fields, at least: none is read. */
export function leastBytes(fields: readonly PlacedField[], values: readonly unknown[]): number {
  let bytes = 0
  for (let index = 0; index < fields.length; index += 1) {
    const { variable } = fields[index].descriptor
    if (variable !== undefined) bytes += variable.least(values[index])
  }
  return bytes
}

/** The same, exactly. */
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
 * Reads every argument into a local and checks it. All that can run the caller's code or fail is
 * here.
 */
export function argumentCode(layout: RecordLayout): string {
  const { fields } = layout
  if (fields.length === 0) return ''
  let reads = ''
  let checks = ''
  for (let index = 0; index < fields.length; index += 1) {
    const { name, descriptor } = fields[index]
    reads += `    a${index} = args.${name}\n`
    checks += `  if (${descriptor.misfitCode(`a${index}`)}) return discardBad()\n`
  }
  return `  let ${localList(layout)}
  try {
${reads}  } catch {
    return discardBad()
  }
${checks}`
}

/**
 * Stores the fields of a record at `at`. Behind one of variable length, `cursor` is where the last
 * one ended.
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
 * Reads and checks the arguments. @returns their values; undefined when one can't be read or
 * doesn't fit.
 */
export function readArguments(
  fields: readonly PlacedField[],
  args: Readonly<Record<string, unknown>> | undefined,
): unknown[] | undefined {
  const values: unknown[] = []
  try {
    for (let index = 0; index < fields.length; index += 1) {
      const { name, descriptor } = fields[index]
      const value = (args as Record<string, unknown>)[name]
      if (!descriptor.fits(value)) return undefined
      values[index] = value
    }
  } catch {
    return undefined
  }
  return values
}

/**
 * Stores the fields of a record whose payload starts at `at`. @returns the first byte behind it.
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
