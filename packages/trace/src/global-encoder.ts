/**
 * Encoders of a recording into one global buffer. Like those of cpu-encoder.ts they first do
 * everything that can run the caller's code or fail. Then the writer reserves. In each try it reads
 * the clock before the exchange that decides the try, so the order of the records is the order of
 * their times. After that come plain stores without a call, and the commit. A thread that is
 * terminated in between leaves a hole, which the consumer finds.
 *
 * Nothing in between may throw, not even because the stack is full. The room would stay open until
 * the thread's next record, and all other records would wait behind it. So a record with texts is
 * made in the thread's own scratch memory, and is copied by a loop. That also gives its exact
 * length (the next thread's record follows without a gap). The one call in between is that of
 * `storeSpanTimes`, where no code is compiled: it calls nothing, and needs less of the stack than
 * `reserve` has just needed, which calls the clock.
 */
import { MISFIT, type FieldMemory, type RecordLayout } from '@rchan/ctf'
import type { Cpu, GlobalWriter } from '@rchan/runtime'
import { badCalls, fieldFunctions, NO_FLAG, type Bound, type BoundEnv } from './bound.js'
import {
  argumentCode,
  fieldCode,
  hasOwnHead,
  leastBytes,
  NOT_INLINED,
  ownCode,
  parameterList,
  readArguments,
  storeFields,
  spanTimesCode,
  storeSpanTimes,
  systemCode,
  systemConvertCode,
  systemList,
  systemValues,
  variableSum,
  wrongCall,
  wrongSource,
  type SystemFields,
} from './field-code.js'
import { captureFields, claim, makeScratch, release, type Scratch } from './scratch.js'

/** What an encoder uses: the views of the buffer, and what it calls. */
export type GlobalEnv = GlobalWriter['view'] & FieldMemory & BoundEnv & ThreadEnv

/** What the encoders of this thread have in common in a recording. */
interface ThreadEnv {
  readonly writer: GlobalWriter
  /** The two halves of the time that `reserve` has read. */
  readonly time: Int32Array
  /** The open spans of this thread: see open-spans.ts. */
  readonly spans: Int32Array
  /** What says in a record who wrote it. */
  readonly tag: number
  /** In which records with texts are made. No code of the caller runs meanwhile. */
  readonly scratch: Scratch
  /** In which composite records are made: a getter of a value may trace texts meanwhile. */
  readonly compositeScratch: () => Scratch
  /** Counts a record that could not be reserved. */
  readonly refused: () => void
}

/** Of the writer that was asked for last: a thread has one at a time. */
let latest: ThreadEnv | undefined

/** What a tracepoint's encoder on this thread uses in the recording of this writer. */
export function globalEnv(
  cpu: Cpu,
  writer: GlobalWriter,
  id: number,
  { fields }: RecordLayout,
  renew: Bound,
): GlobalEnv {
  const bad = badCalls(fields, (reason) => cpu.discardBad(writer, id, reason))
  const env = threadEnv(cpu, writer)
  return { ...writer.view, ...env.scratch.functions, limit: env.scratch.limit, ...env, ...bad, renew }
}

function threadEnv(cpu: Cpu, writer: GlobalWriter): ThreadEnv {
  if (latest?.writer === writer) return latest
  const { subbufSize } = writer.buffer.geometry
  const functions = fieldFunctions(cpu)
  let composite: Scratch | undefined
  const env: ThreadEnv = {
    writer,
    time: new Int32Array(cpu.time.buffer),
    tag: cpu.tag,
    spans: cpu.openSpans,
    scratch: makeScratch(subbufSize, functions),
    compositeScratch: () => (composite ??= makeScratch(subbufSize, functions)),
    refused: () => cpu.refused(),
  }
  latest = env
  cpu.onLeave(() => {
    if (latest === env) latest = undefined
  })
  return env
}

/**
 * The source of an encoder. `name` and the field names are checked: they can't end a comment or an
 * expression.
 */
export function globalEncoderSource(
  id: number,
  name: string,
  layout: RecordLayout,
  system: SystemFields,
  generation: number,
): string {
  const { fixedBytes } = layout
  const isVariable = fixedBytes < 0
  // As in cpu-encoder.ts, V8 must be able to inline what gets the arguments.
  const hasHead = hasOwnHead(layout, system) && !isVariable
  // The views are constants, so V8 folds them into the code that it inlines; it doesn't do that for
  // parameters.
  return `'use strict' // ${name} #${id} of recording ${generation}
const { writer, time, tag, i32: to, spans } = env
const { u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 } = ${isVariable ? 'env.scratch' : 'env'}
const { limit: mostCharacters, tooBig } = env.scratch
const { bad, unread, refused, renew, writeText, limitText, intern, asI64, asU64, floor } = env
${hasHead ? headSource(id, layout, system) : ''}
return function (${parameterList(system)}) {
  if (flag !== ${generation}) return flag === ${NO_FLAG} ? undefined : renew(${parameterList(system)})
${argumentCode(layout, system, hasHead ? wrongCall(layout, system) : undefined)}
${isVariable ? textRecordCode(id, layout, system) : fixedRecordCode(id, layout, system)}
}`
}

/**
 * The functions of fields in front: see `cpuEncoderSource`. `head` returns a negative number if it
 * counted the record as lost.
 */
function headSource(id: number, layout: RecordLayout, system: SystemFields): string {
  return `${wrongSource(layout, system)}
const head = (bytes, ${systemList(system)}) => {
${systemConvertCode(layout, system)}
  const at = writer.reserve(bytes)
  if (at < 0) {
    refused()
    return at
  }
${headCode(id, 'at')}
${systemCode(layout, system)}${NOT_INLINED}
  return at
}`
}

/** Returns code that makes a record with texts in scratch memory, and copies it. */
function textRecordCode(id: number, layout: RecordLayout, system: SystemFields): string {
  return `  const characters = 0${variableSum(layout, 'leastCode')}
  if (characters > mostCharacters) {
    writer.reserve(tooBig)
    return refused()
  }
  const at = 0
${fieldCode(layout, system, false)}
  const place = writer.reserve(cursor)
  if (place < 0) return refused()
${headCode(id, 'place')}
  const words = (cursor + 3) >> 2
  for (let i = 4; i < words; i += 1) to[first + i] = i32[i]
${system.isSpan ? spanTimesCode('place', 'to') : ''}  writer.commit(place, cursor)`
}

function fixedRecordCode(id: number, layout: RecordLayout, system: SystemFields): string {
  if (hasOwnHead(layout, system)) {
    return `  const at = head(${layout.fixedBytes}, ${systemList(system)})
  if (at < 0) return
${ownCode(layout, system)}
  writer.commit(at, ${layout.fixedBytes})`
  }
  return `  const at = writer.reserve(${layout.fixedBytes})
  if (at < 0) return refused()
${headCode(id, 'at')}
${fieldCode(layout, system)}
  writer.commit(at, ${layout.fixedBytes})`
}

/**
 * Returns code that stores everything before the payload. It stores the time in halves: as a bigint
 * it would be an object.
 */
function headCode(id: number, at: string): string {
  return `  const first = ${at} >> 2
  to[first] = time[0]
  to[first + 1] = time[1]
  to[first + 2] = ${id}
  to[first + 3] = tag`
}

/** The same as the compiled encoder, step by step. */
export function interpretGlobal(
  id: number,
  layout: RecordLayout,
  system: SystemFields,
  env: GlobalEnv,
  generation: number,
): Bound {
  const { writer, time, tag, i32: to, scratch, discardBad, refused, renew } = env
  const { fields } = layout
  const from = scratch.i32
  const { count, isSpan } = system
  return (args, flag, s0, s1, s2) => {
    if (flag !== generation) return flag === NO_FLAG ? undefined : renew(args, flag, s0, s1, s2)
    const given = systemValues(count, isSpan, s0, s1, s2)
    const values: unknown[] = []
    if (!readArguments(fields, args, values, env, given)) return discardBad(typeof (args ?? 0), values)
    if (leastBytes(fields, values) > scratch.limit) {
      writer.reserve(scratch.tooBig)
      return refused()
    }
    const bytes = storeFields(fields, values, scratch, layout.payloadOffset)
    const at = writer.reserve(bytes)
    if (at < 0) return refused()
    const first = at >> 2
    to[first] = time[0]
    to[first + 1] = time[1]
    to[first + 2] = id
    to[first + 3] = tag
    const words = (bytes + 3) >> 2
    for (let i = 4; i < words; i += 1) to[first + i] = from[i]
    if (isSpan) storeSpanTimes(to, first, env.spans, s0 as number)
    writer.commit(at, bytes)
    return undefined
  }
}

/** The encoder of a record with composite fields: see `compositeCpu`. */
export function compositeGlobal(
  id: number,
  layout: RecordLayout,
  system: SystemFields,
  env: GlobalEnv,
  generation: number,
): Bound {
  const { writer, time, tag, i32: to, discardBad, refused, renew } = env
  const { count, isSpan } = system
  const own = env.compositeScratch()
  return (args, flag, s0, s1, s2) => {
    if (flag !== generation) return flag === NO_FLAG ? undefined : renew(args, flag, s0, s1, s2)
    const given = systemValues(count, isSpan, s0, s1, s2)
    const scratch = claim(own)
    try {
      const bytes = captureFields(layout, scratch, args, given)
      if (bytes === MISFIT) return discardBad(typeof (args ?? 0), [scratch.value], scratch.failed)
      const from = scratch.i32
      const at = writer.reserve(bytes < 0 ? scratch.tooBig : bytes)
      if (at < 0) return refused()
      const first = at >> 2
      to[first] = time[0]
      to[first + 1] = time[1]
      to[first + 2] = id
      to[first + 3] = tag
      const words = (bytes + 3) >> 2
      for (let i = 4; i < words; i += 1) to[first + i] = from[i]
      if (isSpan) storeSpanTimes(to, first, env.spans, s0 as number)
      writer.commit(at, bytes)
      return undefined
    } finally {
      release(scratch)
    }
  }
}
