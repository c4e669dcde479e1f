/**
 * Encoders of a recording in which each thread has its own buffer. Each tracepoint has one: a
 * function that turns a call into a record in this thread's buffer. This is the hot path; it runs
 * on every thread that traces.
 *
 * An encoder first does everything that can run the caller's code or fail: it reads every argument
 * into a local variable and checks it. Then it reads the clock, then the position. Then it does
 * plain stores in a straight line, and stores the new end last. So a getter that itself traces
 * finds a consistent buffer. Times never run backwards. A thread that is terminated anywhere in
 * between has written the whole record or nothing. (A loop copies texts before the end is stored.
 * If the thread dies there, the record does not exist.)
 *
 * If all threads share one buffer, global-encoder.ts has the encoders.
 */
import { align, MISFIT, type FieldMemory, type RecordLayout } from '@rchan/ctf'
import type { Clock, Cpu, Writer, WriterView } from '@rchan/runtime'
import { badCalls, fieldFunctions, NO_FLAG, type Bound, type BoundEnv } from './bound.js'
import {
  argumentCode,
  bytesWithoutVariable,
  exactBytes,
  fieldCode,
  hasOwnHead,
  leastBytes,
  parameterList,
  localList,
  NOT_INLINED,
  ownCode,
  readArguments,
  storeFields,
  storeSpanTimes,
  systemCode,
  systemConvertCode,
  systemList,
  systemValues,
  type SystemFields,
  variableSum,
  wrongCall,
  wrongSource,
} from './field-code.js'
import { captureFields, claim, makeScratch, release, type Scratch } from './scratch.js'

/** What an encoder uses: the views of a recording's memory, and what it calls. */
export type CpuEnv = WriterView &
  FieldMemory &
  BoundEnv & {
    readonly now: Clock
    readonly view: WriterView
    readonly room: (bytes: number, at: number) => number
    /** Bytes of a sub-buffer. */
    readonly subbufSize: number
    /** The open spans of this thread: see open-spans.ts. */
    readonly spans: Int32Array
    /** Made at the first record with composite fields. */
    readonly scratch: () => Scratch
  }

/** The scratch memory of the writer that was asked for last: a thread has one at a time. */
let latest: { readonly writer: Writer; readonly scratch: Scratch } | undefined

function scratchOf(cpu: Cpu, writer: Writer): () => Scratch {
  return () => {
    if (latest?.writer !== writer) {
      latest = { writer, scratch: makeScratch(writer.buffer.geometry.subbufSize, fieldFunctions(cpu)) }
      cpu.onLeave(() => {
        if (latest?.writer === writer) latest = undefined
      })
    }
    return latest.scratch
  }
}

/** What a tracepoint's encoder on this thread uses in the recording of this writer. */
export function cpuEnv(cpu: Cpu, writer: Writer, id: number, { fields }: RecordLayout, renew: Bound): CpuEnv {
  const { view } = cpu
  const { subbufSize } = writer.buffer.geometry
  return {
    ...view,
    ...fieldFunctions(cpu),
    limit: subbufSize,
    view,
    now: cpu.clock,
    room: (bytes, at) => cpu.makeRoom(writer, bytes, at),
    subbufSize,
    scratch: scratchOf(cpu, writer),
    spans: cpu.openSpans,
    ...badCalls(fields, (reason) => cpu.discardBad(writer, id, reason)),
    renew,
  }
}

/**
 * Returns the source of an encoder. `name` and the field names were checked: they can't end a
 * comment or an expression.
 *
 * Two places store a record: the inline path, and `slowPath` for a record that causes a switch. So
 * the inline path has no joins, and stays small enough for V8 to inline: it does that up to 460
 * bytes of bytecode, and 920 of all that it inlines into a function. If it does, the caller's
 * argument object is never made, and numbers stay in registers. So fields in front have functions
 * of their own, `wrong` and `head`: what these get needs no object.
 */
export function cpuEncoderSource(
  id: number,
  name: string,
  layout: RecordLayout,
  system: SystemFields,
  generation: number,
): string {
  const { fixedBytes } = layout
  const locals = localList(layout)
  const fixed = bytesWithoutVariable(layout)
  const bound = `${fixed}${variableSum(layout, 'mostCode')}`
  const least = `${fixed}${variableSum(layout, 'leastCode')}`
  const exact = `${fixed}${variableSum(layout, 'exactCode')}`
  const isVariable = fixedBytes < 0
  const most = isVariable ? bound : `${fixedBytes}`
  const hasHead = hasOwnHead(layout, system)
  const parameters = parameterList(system)
  // For a record with texts, the inline path uses an upper bound of its size, and `slowPath` the
  // exact size. The exception: a text has at least as many bytes as characters, so its length alone
  // can show that the record fits no sub-buffer. Such a text may be long, and is not read. The
  // views are constants, so V8 folds them into the code that it inlines; it doesn't do that for
  // parameters. `slowPath` reads the clock again: a packet must not begin after its first record,
  // and the switch has read the clock in between. An end of a span asks for the flag itself.
  return `'use strict' // ${name} #${id} of recording ${generation}
const { view, words, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 } = env
const { room, subbufSize, bad, unread, renew, now, textBytes, writeText, limitText, intern } = env
const { asI64, asU64, floor, spans } = env
${hasHead ? headSource(id, layout, system) : ''}
function slowPath(${locals}) {
  let bytes = ${isVariable ? least : fixedBytes}
  ${isVariable ? `if (bytes <= subbufSize) bytes = ${exact}` : ''}
  let at = (words[view.end] + 7) & -8
  if (at + bytes > view.limit) at = room(bytes, at)
  if (at < 0) return
${hasHead ? systemConvertCode(layout, system) : ''}
  i64[at >> 3] = now()
  u32[(at + 8) >> 2] = ${id}
${fieldCode(layout, system)}
${endCode(layout)}
}
return function (${parameters}) {
  if (flag !== ${generation}) return ${system.isSpan ? '' : `flag === ${NO_FLAG} ? undefined : renew(${parameters})`}
${hasHead ? inlineWithHead(layout, system, most, locals) : inlinePath(id, layout, system, most, locals)}
${endCode(layout)}
}`
}

function inlinePath(
  id: number,
  layout: RecordLayout,
  system: SystemFields,
  most: string,
  locals: string,
): string {
  return `${argumentCode(layout, system)}
  const time = now()
  const at = (words[view.end] + 7) & -8
  if (at + ${most} > view.limit) return slowPath(${locals})
  i64[at >> 3] = time
  u32[(at + 8) >> 2] = ${id}
${fieldCode(layout, system)}`
}

function inlineWithHead(layout: RecordLayout, system: SystemFields, most: string, locals: string): string {
  return `${argumentCode(layout, system, wrongCall(layout, system))}
  const at = head(${most}, ${systemList(system)})
  if (at < 0) return slowPath(${locals})
${ownCode(layout, system)}`
}

/**
 * Returns the source of `wrong`, whether fields in front do not fit, and of `head`, which stores
 * them, the time and the id. It returns where the record is, or −1 if it does not fit there.
 */
function headSource(id: number, layout: RecordLayout, system: SystemFields): string {
  return `${wrongSource(layout, system)}
const head = (bytes, ${systemList(system)}) => {
  const time = now()
  const at = (words[view.end] + 7) & -8
  if (at + bytes > view.limit) return -1
${systemConvertCode(layout, system)}
  i64[at >> 3] = time
  u32[(at + 8) >> 2] = ${id}
${systemCode(layout, system)}${NOT_INLINED}
  return at
}`
}

/** Returns code that makes a record exist: its count, and the new end last. */
function endCode({ fixedBytes }: RecordLayout): string {
  // The end comes last: until then the record does not exist. Pairs with: ring's Reader.
  return `  const end = view.end
  words[end + 1] += 1
  words[end] = ${fixedBytes < 0 ? 'cursor' : `at + ${fixedBytes}`}`
}

/**
 * The same as the compiled encoder, step by step, for programs in which no code may be made from
 * text.
 */
export function interpretCpu(
  id: number,
  layout: RecordLayout,
  system: SystemFields,
  env: CpuEnv,
  generation: number,
): Bound {
  const { view, words, now, room, subbufSize, discardBad, renew } = env
  const { fields } = layout
  const fixed = bytesWithoutVariable(layout)
  const { count, isSpan } = system
  return (args, flag, s0, s1, s2) => {
    if (flag !== generation) return flag === NO_FLAG ? undefined : renew(args, flag, s0, s1, s2)
    const given = systemValues(count, isSpan, s0, s1, s2)
    const values: unknown[] = []
    if (!readArguments(fields, args, values, env, given)) return discardBad(typeof (args ?? 0), values)
    let bytes = fixed + leastBytes(fields, values)
    // As in the compiled encoder: a text that is too long is not read.
    if (bytes <= subbufSize) bytes = fixed + exactBytes(fields, values, env)
    let time = now()
    let at = align(words[view.end], 8)
    if (at + bytes > view.limit) {
      at = room(bytes, at)
      if (at < 0) return undefined
      time = now()
    }
    env.i64[at >> 3] = time
    env.u32[(at + 8) >> 2] = id
    const recordEnd = storeFields(fields, values, env, at + layout.payloadOffset)
    if (isSpan) storeSpanTimes(env.i32, at >> 2, env.spans, s0 as number)
    const { end } = view
    words[end + 1] += 1
    // Last, as in the compiled encoder.
    words[end] = recordEnd
    return undefined
  }
}

/**
 * The encoder of a record with composite fields. The payload is made in scratch memory, where all
 * code of the caller runs. Then its length is known, and it is copied.
 */
export function compositeCpu(
  id: number,
  layout: RecordLayout,
  system: SystemFields,
  env: CpuEnv,
  generation: number,
): Bound {
  const { view, words, i32, i64, u32, now, room, discardBad, renew } = env
  const { count, isSpan } = system
  return (args, flag, s0, s1, s2) => {
    if (flag !== generation) return flag === NO_FLAG ? undefined : renew(args, flag, s0, s1, s2)
    const given = systemValues(count, isSpan, s0, s1, s2)
    const scratch = claim(env.scratch())
    try {
      let bytes = captureFields(layout, scratch, args, given)
      if (bytes === MISFIT) return discardBad(typeof (args ?? 0), [scratch.value], scratch.failed)
      if (bytes < 0) bytes = scratch.tooBig
      let time = now()
      let at = align(words[view.end], 8)
      if (at + bytes > view.limit) {
        at = room(bytes, at)
        if (at < 0) return undefined
        time = now()
      }
      i64[at >> 3] = time
      u32[(at + 8) >> 2] = id
      const from = scratch.i32
      const first = at >> 2
      // A sub-buffer ends on a multiple of 8, so the last word is inside it.
      const wordCount = (bytes + 3) >> 2
      for (let i = 3; i < wordCount; i += 1) i32[first + i] = from[i]
      if (isSpan) storeSpanTimes(i32, first, env.spans, s0 as number)
      const { end } = view
      words[end + 1] += 1
      // Last, as in the compiled encoder.
      words[end] = at + bytes
      return undefined
    } finally {
      release(scratch)
    }
  }
}
