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
 * Returns the bytes of a record whose texts are empty, plus the largest gaps that alignment behind
 * a text can make.
 */
export function bytesWithoutVariable({ fields, minBytes }: RecordLayout): number {
  let bytes = minBytes
  for (let index = 0; index < fields.length; index += 1) {
    if (fields[index].offset < 0) bytes += fields[index].alignBytes - 1
  }
  return bytes
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
 *
 * @param wrong a condition instead of the checks of the fields in front; `''` if they need none.
 * These are not replaced then. Undefined: they are as the others.
 */
export function argumentCode(layout: RecordLayout, system: SystemFields, wrong?: string): string {
  const { fields } = layout
  if (fields.length === 0) return ''
  const { count } = system
  let given = ''
  for (let index = 0; index < count; index += 1) given += `  a${index} = s${index}\n`
  const first = wrong ?? systemMisfitCode(layout, system)
  const second = ownMisfitCode(layout, system)
  const misfits = `${first}${first !== '' && second !== '' ? ' || ' : ''}${second}`
  const locals = localList(layout)
  const check = misfits === '' ? '' : `  if (${misfits}) return bad(typeof (args ?? 0), ${locals})\n`
  const conversions = wrong === undefined ? systemConvertCode(layout, system) : ''
  return `  var ${locals}
${given}${readsCode(layout, system)}${check}${conversions}${ownConvertCode(layout, system)}`
}

/**
 * Returns an expression that is true if one of the fields in front does not fit; `''` if all do.
 */
function systemMisfitCode({ fields }: RecordLayout, { count, isSpan }: SystemFields): string {
  // The slot and the outcome of a span are not the caller's.
  if (isSpan) return ''
  let misfits = ''
  for (let index = 0; index < count; index += 1) {
    misfits += `${index === 0 ? '' : ' || '}${fields[index].descriptor.misfitCode(`a${index}`)}`
  }
  return misfits
}

/**
 * Whether the fields in front have functions of their own: if there are others, whose object V8 can
 * drop.
 */
export function hasOwnHead({ fields }: RecordLayout, { count }: SystemFields): boolean {
  return count > 0 && fields.length > count
}

/**
 * Statements of `head`, which stores what is in front of the caller's fields. They never run (no
 * record has a negative size), but make it too large to be inlined. If V8 inlined it into the
 * encoder, the encoder would be too large to be inlined into the caller, where V8 drops the
 * caller's object and keeps numbers in registers: to the bytecode of a function V8 adds what that
 * function's own optimized code has inlined (an end of two fields: 390 bytes, and 333 of `head`, of
 * at most 920 for the whole caller). There is one call in either case. What `head` gets needs no
 * object. Nothing but its size keeps V8 from inlining a function that a call always goes to.
 */
export const NOT_INLINED = `  if (bytes < 0) {\n${'    spans[bytes] = spans[bytes + 1]\n'.repeat(32)}  }\n`

/** Returns the source of `wrong`: whether fields in front do not fit. */
export function wrongSource(layout: RecordLayout, system: SystemFields): string {
  const misfits = systemMisfitCode(layout, system)
  return misfits === '' ? '' : `const wrong = (${systemList(system)}) => ${misfits}`
}

/** Returns a call of it; `''` if all fit. */
export function wrongCall(layout: RecordLayout, system: SystemFields): string {
  return systemMisfitCode(layout, system) === '' ? '' : `wrong(${systemList(system)})`
}

/** Returns code that replaces the values of the fields in front by what is stored. */
export function systemConvertCode({ fields }: RecordLayout, { count, isSpan }: SystemFields): string {
  // Of a span the first two are a slot, and nothing.
  return conversionsCode(fields, isSpan ? SPAN_TIMES : 0, count)
}

function conversionsCode(fields: readonly PlacedField[], from: number, to: number): string {
  let code = ''
  for (let index = from; index < to; index += 1) {
    const conversion = fields[index].descriptor.convertCode(`a${index}`)
    if (conversion !== '') code += `  ${conversion}\n`
  }
  return code
}

/**
 * Returns code that stores the fields of a record at `at`, where its time is already (unless
 * `hasTime` is false: then the times of a span are not stored). Behind a field of variable length,
 * `cursor` is the end of the previous field.
 */
export function fieldCode({ fields }: RecordLayout, { isSpan }: SystemFields, hasTime = true): string {
  return `${isSpan && hasTime ? spanTimesCode('at') : ''}${storesCode(fields, isSpan ? SPAN_TIMES : 0, fields.length)}`
}

/** Returns code that stores the fields in front. */
export function systemCode({ fields }: RecordLayout, { count, isSpan }: SystemFields): string {
  return `${isSpan ? spanTimesCode('at') : ''}${storesCode(fields, isSpan ? SPAN_TIMES : 0, count)}`
}

/** Returns code that stores the fields behind those in front. */
export function ownCode({ fields }: RecordLayout, { count }: SystemFields): string {
  return storesCode(fields, count, fields.length)
}

function storesCode(fields: readonly PlacedField[], from: number, to: number): string {
  let code = ''
  let moving = false
  for (let index = from; index < to; index += 1) {
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

/** The fields that records of a kind have in front of the user's. */
export interface SystemFields {
  readonly count: number
  /**
   * Whether the first two are the start and the duration of a span, which come from its slot among
   * the open spans.
   */
  readonly isSpan: boolean
}

/**
 * Returns the parameters of an encoder. V8 inlines encoders by their size, so they are no more than
 * needed.
 */
export function parameterList({ count }: SystemFields): string {
  return `args, flag${count > 0 ? ', s0' : ''}${count > 1 ? ', s1' : ''}${count > 2 ? ', s2' : ''}`
}

/**
 * Returns code that reads the caller's fields, those behind the ones in front, into their
 * variables.
 */
export function readsCode({ fields }: RecordLayout, { count }: SystemFields): string {
  let unread = ''
  let reads = ''
  for (let index = count; index < fields.length; index += 1) {
    unread += `a${index} = `
    reads += `    a${index} = args.${fields[index].name}\n`
  }
  return reads === '' ? '' : `  ${unread}unread\n  try {\n${reads}  } catch {}\n`
}

/** Returns an expression that is true if one of the caller's fields does not fit. */
export function ownMisfitCode({ fields }: RecordLayout, { count }: SystemFields): string {
  let misfits = ''
  for (let index = count; index < fields.length; index += 1) {
    misfits += `${misfits === '' ? '' : ' || '}${fields[index].descriptor.misfitCode(`a${index}`)}`
  }
  return misfits
}

/** Returns code that replaces the values of the caller's fields by what is stored. */
function ownConvertCode({ fields }: RecordLayout, { count }: SystemFields): string {
  return conversionsCode(fields, count, fields.length)
}

/** Returns the local variables of the fields in front. */
export function systemList({ count }: SystemFields): string {
  return `a0${count > 1 ? ', a1' : ''}${count > 2 ? ', a2' : ''}`
}

/** Start and duration. */
const SPAN_TIMES = 2
/** A record of a span: offsets of its start, and of its duration. Both are u64. */
const START = 16
const DURATION = 24
/** 4-byte words of a slot of the open spans, as a power of two: the start is the first two. */
const SLOT_SHIFT = 2

/**
 * Returns code that stores start and duration of the span whose slot is in `a0`. The time of the
 * record, which is the span's end, is there already. All in halves of 32 bits: as bigints they
 * would be objects.
 */
export function spanTimesCode(at: string, words = 'i32'): string {
  return `  const slot = a0 << ${SLOT_SHIFT}
  const base = ${at} >> 2
  const low = ${words}[base]
  const from = spans[slot]
  const high = spans[slot + 1]
  ${words}[base + ${START >> 2}] = from
  ${words}[base + ${(START >> 2) + 1}] = high
  ${words}[base + ${DURATION >> 2}] = low - from
  ${words}[base + ${(DURATION >> 2) + 1}] = ${words}[base + 1] - high - (low >>> 0 < from >>> 0 ? 1 : 0)
`
}

/**
 * Returns the values of the fields in front, for an encoder that works step by step. Of a span
 * start and duration are stored later, by {@link storeSpanTimes}.
 */
export function systemValues(
  count: number,
  isSpan: boolean,
  s0: unknown,
  s1: unknown,
  s2: unknown,
): readonly unknown[] {
  if (isSpan) return [0, 0, s2]
  return count === 0 ? [] : count === 1 ? [s0] : count === 2 ? [s0, s1] : [s0, s1, s2]
}

/** Stores start and duration as {@link spanTimesCode} does. @param at in 4-byte words. */
export function storeSpanTimes(i32: Int32Array, at: number, spans: Int32Array, slot: number): void {
  const low = i32[at] >>> 0
  const from = spans[slot << SLOT_SHIFT] >>> 0
  const high = spans[(slot << SLOT_SHIFT) + 1]
  i32[at + (START >> 2)] = from
  i32[at + (START >> 2) + 1] = high
  i32[at + (DURATION >> 2)] = low - from
  i32[at + (DURATION >> 2) + 1] = i32[at + 1] - high - (low < from ? 1 : 0)
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
  system: readonly unknown[],
): boolean {
  for (let index = 0; index < fields.length; index += 1) values[index] = UNREAD
  for (let index = 0; index < system.length; index += 1) values[index] = system[index]
  try {
    for (let index = system.length; index < fields.length; index += 1) {
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
