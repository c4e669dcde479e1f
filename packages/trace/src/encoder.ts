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
 *
 * Where all threads share one buffer, an encoder is another one: global-encoder.ts.
 */
import { align, layoutRecord, type Field, type RecordLayout } from '@rchan/ctf'
import type { Clock, Cpu, WriterView } from '@rchan/runtime'
import type { Bound } from './bound.js'
import {
  argumentCode,
  asI64,
  asU64,
  fieldCode,
  localList,
  readArguments,
  storeFields,
  textSum,
} from './field-code.js'
import { globalEncoderSource, globalUses, interpretGlobal, type GlobalUses } from './global-encoder.js'
import { textBytes, writeText } from './text.js'

/** Writes one record; does nothing while the tracepoint is off. Throws only where the stack is full. */
export type Encoder = (args?: Readonly<Record<string, unknown>>) => void

/** The encoder that a tracepoint's facade calls. */
interface Current {
  encode: Bound
}

/** What an encoder uses: the views of a recording's memory, and what it calls. */
type Uses = WriterView & {
  readonly now: Clock
  readonly view: WriterView
  readonly room: (bytes: number) => number
  /** Bytes of a sub-buffer. */
  readonly subbufSize: number
  readonly discardBad: () => void
  /** For a call in another recording. */
  readonly renew: Bound
}

// Taken when this module is loaded: programs that harden themselves replace it, or forbid it, later.
const Compiler = Function
const StackError = RangeError

/** Makes a tracepoint's function. Any thread; it is for this thread alone. */
export function makeEncoder(cpu: Cpu, id: number, name: string, fields: readonly Field[]): Encoder {
  const current = starting(cpu, id, fields, name)
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see the head of this file
    const make = new Compiler('uses', facadeSource(id, name)) as (uses: object) => Encoder
    return make({ flags: cpu.control.flags, current })
  } catch (error) {
    throwIfFull(error)
    return interpretFacade(cpu, id, current)
  }
}

/** The same without compiling anything. */
export function interpretEncoder(cpu: Cpu, id: number, fields: readonly Field[]): Encoder {
  return interpretFacade(cpu, id, starting(cpu, id, fields, undefined))
}

function interpretFacade(cpu: Cpu, id: number, current: Current): Encoder {
  const { flags } = cpu.control
  return (args) => {
    const flag = flags[id]
    if (flag !== 0) current.encode(args, flag)
  }
}

/** That code from text is forbidden comes as an error of any kind. A full stack is the program's own. */
function throwIfFull(error: unknown): void {
  if (error instanceof StackError && error.message === 'Maximum call stack size exceeded') throw error
}

/** @returns undefined where the program forbids it. */
function compile(source: string, uses: Uses | GlobalUses): Bound | undefined {
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see the head of this file
    const make = new Compiler('uses', source) as (uses: object) => Bound
    return make({ ...uses, textBytes, writeText, asI64, asU64 })
  } catch (error) {
    throwIfFull(error)
    return undefined
  }
}

/**
 * Starts with an encoder that comes online, and replaces itself in each recording by one bound to its memory.
 *
 * @param name undefined: it is interpreted.
 */
function starting(cpu: Cpu, id: number, fields: readonly Field[], name: string | undefined): Current {
  // Both are copies, made now: what a caller does to `fields` later must not be compiled.
  const layout = layoutRecord(fields)
  const globalLayout = layoutRecord(fields, true)
  const bind = (uses: Uses, generation: number): Bound =>
    (name === undefined ? undefined : compile(encoderSource(id, name, layout, generation), uses)) ??
    interpretBound(id, layout, uses, generation)
  const bindGlobal = (uses: GlobalUses, generation: number): Bound =>
    (name === undefined
      ? undefined
      : compile(globalEncoderSource(id, name, globalLayout, generation), uses)) ??
    interpretGlobal(id, globalLayout, uses, generation)
  const start: Bound = (args) => {
    if (!cpu.online()) return
    const { view, writer, globalWriter } = cpu
    const { generation } = view
    let encode: Bound
    if (globalWriter !== undefined) {
      encode = bindGlobal({ ...view, ...globalUses(cpu, globalWriter), renew: start }, generation)
    } else if (writer !== undefined) {
      encode = bind(
        {
          ...view,
          view,
          now: cpu.clock,
          room: (bytes) => cpu.room(writer, bytes),
          subbufSize: writer.buffer.geometry.subbufSize,
          discardBad: () => cpu.discardBad(writer),
          renew: start,
        },
        generation,
      )
    } else return
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
  return `'use strict' // ${name} #${id}
const { flags, current } = uses
return function (args) {
  const flag = flags[${id}]
  if (flag === 0) return
  current.encode(args, flag)
}`
}

/**
 * The source of an encoder. `name` and the field names are checked: they can't end a comment or an expression.
 *
 * The record is stored in two places: inline, and in `late`, for the record that causes a switch. So the inline path
 * has no joins, and stays small enough for V8 to inline.
 */
export function encoderSource(id: number, name: string, layout: RecordLayout, generation: number): string {
  const { fixedBytes } = layout
  const locals = localList(layout)
  const most = maxBytesWithoutTexts(layout)
  const bound = `${most}${textSum(layout, (text) => `${text}.length * 3`)}`
  const least = `${most}${textSum(layout, (text) => `${text}.length`)}`
  const exact = `${most}${textSum(layout, (text) => `textBytes(${text})`)}`
  const hasTexts = fixedBytes < 0
  // With texts, the inline path has an upper bound, and `late` is exact. Except where the length of a text alone, which
  // is never more than its bytes, says that the record fits no sub-buffer: such a text may be long, and is not read.
  // The views are constants, so that V8 folds them into the code that it inlines; it does not for parameters.
  // In `late` the clock is read again: a packet must not begin after its first record, and the switch has read it since.
  return `'use strict' // ${name} #${id} of recording ${generation}
const { view, words, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 } = uses
const { room, subbufSize, discardBad, renew, now, textBytes, writeText, asI64, asU64 } = uses
function late(${locals}) {
  let bytes = ${hasTexts ? least : fixedBytes}
  ${hasTexts ? `if (bytes <= subbufSize) bytes = ${exact}` : ''}
  let at = (words[view.end] + 7) & -8
  if (at + bytes > view.limit) at = room(bytes)
  if (at < 0) return
  i64[at >> 3] = now()
${storeCode(id, layout)}
}
return function (args, flag) {
  if (flag !== ${generation}) return renew(args, flag)
${argumentCode(layout)}
  const time = now()
  const at = (words[view.end] + 7) & -8
  if (at + ${hasTexts ? bound : fixedBytes} > view.limit) return late(${locals})
  i64[at >> 3] = time
${storeCode(id, layout)}
}`
}

/** Stores the record at `at`, apart from its time: id, fields, count, and the new end last. */
function storeCode(id: number, layout: RecordLayout): string {
  // The end comes last: until then the record does not exist. Pairs with: relay's Reader.
  return `  u32[(at + 8) >> 2] = ${id}
${fieldCode(layout)}
  const end = view.end
  words[end + 1] += 1
  words[end] = ${layout.fixedBytes < 0 ? 'q' : `at + ${layout.fixedBytes}`}`
}

/** Bytes of a record whose texts are empty, with every gap that the alignment behind a text can make. */
function maxBytesWithoutTexts({ fields, minBytes }: RecordLayout): number {
  let bytes = minBytes
  for (let index = 0; index < fields.length; index += 1) {
    if (fields[index].offset < 0) bytes += fields[index].alignBytes - 1
  }
  return bytes
}

/** The same as the compiled encoder, step by step, for programs in which no code may be made from text. */
function interpretBound(id: number, layout: RecordLayout, uses: Uses, generation: number): Bound {
  const { view, words, now, room, subbufSize, discardBad, renew } = uses
  const { fields } = layout
  const fixed = maxBytesWithoutTexts(layout)
  return (args, flag) => {
    if (flag !== generation) return renew(args, flag)
    const values = readArguments(fields, args)
    if (values === undefined) return discardBad()
    let bytes = fixed
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index]
      if (typeof value === 'string') bytes += value.length
    }
    // As in the compiled encoder: a text that is too long is not read.
    if (bytes <= subbufSize) {
      bytes = fixed
      for (let index = 0; index < values.length; index += 1) {
        const value = values[index]
        if (typeof value === 'string') bytes += textBytes(value)
      }
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
    const q = storeFields(fields, values, uses, at + layout.payloadOffset)
    const { end } = view
    words[end + 1] += 1
    // Last, as in the compiled encoder.
    words[end] = q
    return undefined
  }
}

export { textBytes, writeText } from './text.js'
