/**
 * Encoders: one function for each tracepoint, which turns a call into a record in this thread's buffer. This is the
 * hot path; it runs on every thread that traces.
 *
 * An encoder does all that can run the caller's code or fail first: it reads every argument into a local and checks
 * it. Then it reads the clock, then the position, and then there is a straight line of plain stores, the new end
 * last. So a getter that itself traces finds the buffer whole, times never run backwards, and a thread that is
 * terminated anywhere in between has written the record or has not. (Texts are copied by a loop before the end is
 * stored: cut off there, the record does not exist.)
 *
 * A tracepoint is a facade, which stays, around an encoder, which is made for each recording and holds views of that
 * recording's memory as constants: so V8 folds them into the code that it inlines, which saves a tenth of the whole.
 *
 * Both are compiled from source text that is unique, because functions made of the same text share their type
 * feedback. Where the program forbids that (`--disallow-code-generation-from-strings`), an interpreter of the layout
 * does the same, more slowly.
 */
import { align, layoutRecord, type Field, type FieldType, type RecordLayout } from '@rchan/ctf'
import type { Cpu, WriterView } from '@rchan/runtime'
import { now } from './clock.js'

/** Writes one record; does nothing while the tracepoint is off. Throws only where the stack is full. */
export type Encoder = (args?: Readonly<Record<string, unknown>>) => void

/** The encoder of one recording. `flag` is that of its tracepoint, and not 0. */
type Bound = (args: Readonly<Record<string, unknown>> | undefined, flag: number) => void

/** The encoder that a tracepoint's facade calls. */
interface Current {
  encode: Bound
}

/** What an encoder uses: the views of a recording's memory, and what it calls. */
type Uses = WriterView & {
  readonly view: WriterView
  readonly room: (bytes: number) => number
  readonly discardBad: () => void
  /** For a call in another recording. */
  readonly renew: Bound
}

/** Makes a tracepoint's function. Any thread; it is for this thread alone. */
export function makeEncoder(cpu: Cpu, id: number, name: string, fields: readonly Field[]): Encoder {
  const layout = layoutRecord(fields)
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see the head of this file
    const make = new Function('uses', facadeSource(id, name)) as (uses: object) => Encoder
    const current = starting(cpu, (uses, generation) => {
      const source = encoderSource(id, name, layout, generation)
      // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see the head of this file
      return (new Function('uses', source) as (uses: object) => Bound)({
        ...uses,
        now,
        textBytes,
        writeText,
        asI64,
        asU64,
      })
    })
    return make({ flags: cpu.control.flags, current })
  } catch (error) {
    if (!(error instanceof EvalError)) throw error
    return interpretEncoder(cpu, id, layout)
  }
}

/** Starts with an encoder that comes online, and replaces itself in each recording by one bound to its memory. */
function starting(cpu: Cpu, bind: (uses: Uses, generation: number) => Bound): Current {
  const start: Bound = (args) => {
    if (!cpu.online()) return
    const { view, writer } = cpu
    if (writer === undefined) return
    const { generation } = view
    const encode = bind(
      {
        ...view,
        view,
        room: (bytes) => cpu.room(writer, bytes),
        discardBad: () => writer.discardBad(),
        renew: start,
      },
      generation,
    )
    current.encode = encode
    cpu.bound(() => {
      current.encode = start
    })
    encode(args, generation)
  }
  const current: Current = { encode: start }
  return current
}

/**
 * The source of what stays: while nothing is recorded, a load and a branch. The encoder is a property and not a captured
 * variable, which on Node 26 would keep V8 from dropping the argument object (6 ns).
 */
function facadeSource(id: number, name: string): string {
  return [
    `'use strict' // ${name} #${id}`,
    `const { flags, current } = uses`,
    `return function (args) {`,
    `  const flag = flags[${id}]`,
    `  if (flag === 0) return`,
    `  current.encode(args, flag)`,
    `}`,
  ].join('\n')
}

const asI64 = (value: bigint): bigint => BigInt.asIntN(64, value)
const asU64 = (value: bigint): bigint => BigInt.asUintN(64, value)

/** For each type: when a local `$` does not fit it, and how it is stored. */
const CODE: Record<FieldType, { misfit: string; array: string; shift: number; value: string }> = {
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

/**
 * The source of an encoder. `name` and the field names are checked: they can't end a comment or an expression.
 *
 * The record is stored in two places: inline, and in `late`, for the record that causes a switch. So the inline path
 * has no joins, and stays small enough for V8 to inline.
 */
export function encoderSource(id: number, name: string, layout: RecordLayout, generation: number): string {
  const { fields, fixedBytes } = layout
  const locals = fields.map((_, index) => `a${index}`)
  const room = String(maxBytesWithoutTexts(layout))
  const texts = fields.flatMap((field, index) => (field.type === 'string' ? [locals[index]] : []))
  const bound = [room, ...texts.map((text) => `${text}.length * 3`)].join(' + ')
  const exact = [room, ...texts.map((text) => `textBytes(${text})`)].join(' + ')
  return [
    `'use strict' // ${name} #${id} of recording ${generation}`,
    // Constants, so that V8 folds them into the code that it inlines; it does not for parameters.
    `const { view, words, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 } = uses`,
    `const { room, discardBad, renew, now, textBytes, writeText, asI64, asU64 } = uses`,
    `function late(${['bytes', ...locals].join(', ')}) {`,
    // With texts, `bytes` is an upper bound in the inline path, and exact here.
    `  let at = (words[view.end] + 7) & -8`,
    `  if (at + bytes > view.limit) at = room(bytes)`,
    `  if (at < 0) return`,
    // Read again: a packet must not begin after its first record, and the switch has read the clock since.
    `  i64[at >> 3] = now()`,
    ...storeLines(id, layout, locals),
    `}`,
    `return function (args, flag) {`,
    `  if (flag !== ${generation}) return renew(args, flag)`,
    ...(fields.length === 0
      ? []
      : [
          `  let ${locals.join(', ')}`,
          `  try {`,
          ...fields.map((field, index) => `    ${locals[index]} = args.${field.name}`),
          `  } catch {`,
          `    return discardBad()`,
          `  }`,
        ]),
    ...fields.map(
      (field, index) =>
        `  if (${CODE[field.type].misfit.replaceAll('$', locals[index])}) return discardBad()`,
    ),
    `  const time = now()`,
    `  const at = (words[view.end] + 7) & -8`,
    `  if (at + ${fixedBytes >= 0 ? fixedBytes : bound} > view.limit) return late(${[fixedBytes >= 0 ? fixedBytes : exact, ...locals].join(', ')})`,
    `  i64[at >> 3] = time`,
    ...storeLines(id, layout, locals),
    `}`,
  ].join('\n')
}

/** Stores the record at `at`, apart from its time: id, fields, count, and the new end last. */
function storeLines(id: number, layout: RecordLayout, locals: readonly string[]): string[] {
  const lines = [`  u32[(at + 8) >> 2] = ${id}`]
  let moving = false
  for (const [index, field] of layout.fields.entries()) {
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
  lines.push(
    `  const end = view.end`,
    `  words[end + 1] += 1`,
    // Last: until here the record does not exist. Pairs with: relay's Reader.
    `  words[end] = ${moving ? 'q' : `at + ${layout.fixedBytes}`}`,
  )
  return lines
}

/** Bytes of a record whose texts are empty, with every gap that the alignment behind a text can make. */
function maxBytesWithoutTexts(layout: RecordLayout): number {
  const gaps = layout.fields.reduce((sum, field) => sum + (field.offset < 0 ? field.alignBytes - 1 : 0), 0)
  return layout.minBytes + gaps
}

/** The same as the compiled encoder, step by step, for programs in which no code may be made from text. */
export function interpretEncoder(cpu: Cpu, id: number, layout: RecordLayout): Encoder {
  const { flags } = cpu.control
  const current = starting(cpu, (uses, generation) => interpretBound(id, layout, uses, generation))
  return (args) => {
    const flag = flags[id]
    if (flag !== 0) current.encode(args, flag)
  }
}

function interpretBound(id: number, layout: RecordLayout, uses: Uses, generation: number): Bound {
  const { view, words, room, discardBad, renew } = uses
  const { fields } = layout
  const fixed = maxBytesWithoutTexts(layout)
  return (args, flag) => {
    if (flag !== generation) return renew(args, flag)
    const values: unknown[] = []
    let bytes = fixed
    try {
      for (const field of fields) {
        const value = (args as Record<string, unknown>)[field.name]
        if (!fits(field.type, value)) return discardBad()
        if (field.type === 'string') bytes += textBytes(value as string)
        values.push(value)
      }
    } catch {
      return discardBad()
    }
    let time = now()
    let at = align(words[view.end], 8)
    if (at + bytes > view.limit) {
      at = room(bytes)
      if (at < 0) return undefined
      time = now()
    }
    uses.i64[at >> 3] = time
    uses.u32[(at + 8) >> 2] = id
    let q = at + layout.payloadOffset
    for (const [index, field] of fields.entries()) {
      q = align(q, field.alignBytes)
      const value = values[index]
      if (field.type === 'string') {
        q = writeText(uses.u8, q, value as string)
      } else {
        const { array, shift } = CODE[field.type]
        const stored = field.type === 'bool' ? Number(value) : value
        ;(uses as unknown as Record<string, unknown[]>)[array][q >> shift] = stored
        q += field.alignBytes
      }
    }
    const { end } = view
    words[end + 1] += 1
    // Last, as in the compiled encoder.
    words[end] = q
    return undefined
  }
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

/** Texts longer than this are encoded by the engine: below, its call costs more than our loop. */
const LONG_TEXT = 96
const encoder = new TextEncoder()

/** Bytes of a text without its final NUL: UTF-8, with each NUL character as the 3 bytes of U+2400. */
export function textBytes(text: string): number {
  let bytes = Buffer.byteLength(text)
  for (let at = text.indexOf('\0'); at >= 0; at = text.indexOf('\0', at + 1)) bytes += 2
  return bytes
}

/**
 * Stores a text as UTF-8 with a final NUL. A NUL character in the text becomes U+2400 (␀), half a surrogate pair
 * U+FFFD: the format's strings can hold neither.
 *
 * @param at where to store it; there must be room.
 * @returns the first byte behind it.
 */
export function writeText(u8: Uint8Array, at: number, text: string): number {
  const { length } = text
  let q = at
  if (length > LONG_TEXT && !text.includes('\0')) {
    q += encoder.encodeInto(text, u8.subarray(at, at + length * 3)).written
    u8[q] = 0
    return q + 1
  }
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === 0 || code > 127) return writeWideText(u8, q, text, i)
    u8[q] = code
    q += 1
  }
  u8[q] = 0
  return q + 1
}

/** The rest of a text from its first character that is not plain ASCII. */
function writeWideText(u8: Uint8Array, at: number, text: string, from: number): number {
  let q = at
  for (let i = from; i < text.length; i += 1) {
    let code = text.codePointAt(i) as number
    if (code === 0) code = 0x2400
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd
    if (code < 0x80) {
      u8[q] = code
      q += 1
    } else if (code < 0x800) {
      u8[q] = 0xc0 | (code >> 6)
      u8[q + 1] = 0x80 | (code & 63)
      q += 2
    } else if (code < 0x10000) {
      u8[q] = 0xe0 | (code >> 12)
      u8[q + 1] = 0x80 | ((code >> 6) & 63)
      u8[q + 2] = 0x80 | (code & 63)
      q += 3
    } else {
      u8[q] = 0xf0 | (code >> 18)
      u8[q + 1] = 0x80 | ((code >> 12) & 63)
      u8[q + 2] = 0x80 | ((code >> 6) & 63)
      u8[q + 3] = 0x80 | (code & 63)
      q += 4
      i += 1
    }
  }
  u8[q] = 0
  return q + 1
}
