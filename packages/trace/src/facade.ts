/**
 * The encoders of tracepoints. An encoder is made for each recording and holds views of that
 * recording's memory as constants. V8 folds them into the code that it inlines, which saves a tenth
 * of the time of a call. On every thread that traces.
 *
 * An encoder is compiled from source text, which is unique, because functions made of the same text
 * share their type feedback. If the program forbids compiling
 * (`--disallow-code-generation-from-strings`), an interpreter of the layout does the same more
 * slowly.
 *
 * There is an encoder for each kind of buffer: cpu-encoder.ts, global-encoder.ts.
 */
import { layoutRecord, SYSTEM_FIELDS, type Field, type Schema } from '@rchan/ctf'
import type { Cpu } from '@rchan/runtime'
import { NO_FLAG } from './bound.js'
import { compile } from './compile.js'
import { compositeCpu, cpuEnv, cpuEncoderSource, interpretCpu, type CpuEnv } from './cpu-encoder.js'
import type { SystemFields } from './field-code.js'
import { interpretFacade, makeFacade, type Bound, type Dispatch, type Encoder } from './dispatch.js'
import {
  compositeGlobal,
  globalEncoderSource,
  globalEnv,
  interpretGlobal,
  type GlobalEnv,
} from './global-encoder.js'

/**
 * V8 notes which ways a function has gone only after some calls of it. So a new encoder is first
 * called so often in vain, and then takes its slow path once. Otherwise V8 would optimize it
 * without that way, throw the result away at the first switch, and the thread would run slow code
 * again for thousands of records.
 */
export const CALLS_UNTIL_FEEDBACK = 256

/**
 * Makes a tracepoint's function. Any thread may call this; only the calling thread may use the
 * result.
 */
export function makeEncoder(cpu: Cpu, id: number, name: string, fields: readonly Field[]): Encoder {
  return makeFacade(cpu.control.flags, id, name, dispatchTo(cpu, id, { name, fields }, true))
}

/** Like {@link makeEncoder}, but compiles nothing. */
export function interpretEncoder(cpu: Cpu, id: number, fields: readonly Field[]): Encoder {
  return interpretFacade(cpu.control.flags, id, dispatchTo(cpu, id, { name: '', fields }, false))
}

function dispatchTo(cpu: Cpu, id: number, schema: Schema, compiles: boolean): Dispatch {
  const dispatch: Dispatch = { encode: () => undefined }
  dispatch.encode = starting(cpu, id, schema, dispatch, { compiles })
  return dispatch
}

/**
 * Returns the first encoder of a dispatch, which brings the thread online. In each recording it
 * replaces itself there by an encoder that is bound to the recording's memory.
 *
 * @param options `compiles`: whether code may be made from text. `isSpan`: whether the encoder
 * takes a slot instead of a start and a duration.
 */
export function starting(
  cpu: Cpu,
  id: number,
  { name, fields, kind = 'event' }: Schema,
  dispatch: Dispatch,
  { compiles = true, isSpan = false }: { readonly compiles?: boolean; readonly isSpan?: boolean } = {},
): Bound {
  // Both are copies, made now: later changes of `fields` by a caller must not reach the compiler.
  const layout = layoutRecord(fields)
  const globalLayout = layoutRecord(fields, true)
  const system: SystemFields = { count: SYSTEM_FIELDS[kind].length, isSpan }
  const bind = (env: CpuEnv, generation: number): Bound => {
    if (layout.composite) return compositeCpu(id, layout, system, env, generation)
    const source = compiles ? cpuEncoderSource(id, name, layout, system, generation) : undefined
    return compiled(source, env) ?? interpretCpu(id, layout, system, env, generation)
  }
  const bindGlobal = (env: GlobalEnv, generation: number): Bound => {
    if (layout.composite) return compositeGlobal(id, globalLayout, system, env, generation)
    const source = compiles ? globalEncoderSource(id, name, globalLayout, system, generation) : undefined
    return compiled(source, env) ?? interpretGlobal(id, globalLayout, system, env, generation)
  }
  const start: Bound = (args, given, s0, s1, s2) => {
    if (!cpu.online()) return
    const { view, writer, globalWriter } = cpu
    const { generation } = view
    let encode: Bound
    if (globalWriter !== undefined)
      encode = bindGlobal(globalEnv(cpu, globalWriter, id, globalLayout, start), generation)
    else if (writer !== undefined) encode = bind(cpuEnv(cpu, writer, id, layout, start), generation)
    else return
    // The encoder of a slot is called by an end that has seen to the limits.
    const flag = given === NO_FLAG ? cpu.control.flags[id] : given
    const isLimited = flag < 0 && !isSpan
    const bound = isLimited ? limitedTo(cpu, id, kind === 'span', encode, start) : firstRecord(encode)
    dispatch.encode = bound
    cpu.onLeave(() => {
      dispatch.encode = start
    })
    for (let i = 0; i < CALLS_UNTIL_FEEDBACK; i += 1) encode(undefined, NO_FLAG)
    if (given !== NO_FLAG) bound(args, isLimited ? given : generation, s0, s1, s2)
  }
  /** Returns an encoder of which the first record takes its slow path. */
  const firstRecord = (encode: Bound): Bound => {
    const first: Bound = (args, flag, s0, s1, s2) => {
      if (flag === NO_FLAG) return
      if (dispatch.encode === first) dispatch.encode = encode
      cpu.shutView()
      try {
        encode(args, flag, s0, s1, s2)
      } finally {
        // For a record that did not come to its slow path: its arguments were bad.
        cpu.openView()
      }
    }
    return first
  }
  return start
}

/** Returns an encoder that records only every so many-th call, and only spans that last. */
function limitedTo(cpu: Cpu, id: number, isSpan: boolean, encode: Bound, renew: Bound): Bound {
  const { generation } = cpu.view
  const { oneIn, minDurationNs } = cpu.control.limits(id)
  let calls = 0
  return (args, flag, s0, s1, s2) => {
    if (flag !== -generation) return flag === NO_FLAG ? undefined : renew(args, flag, s0, s1, s2)
    calls += 1
    // The second field of a span is its duration.
    if (calls < oneIn || (isSpan && (s1 as number | bigint) < minDurationNs)) return cpu.countFiltered()
    calls = 0
    return encode(args, generation, s0, s1, s2)
  }
}

/** @returns undefined if there is no source, or the program forbids compiling. */
function compiled(source: string | undefined, env: object): Bound | undefined {
  return source === undefined ? undefined : (compile(source, env) as Bound | undefined)
}

export type { Encoder }
export { textBytes, writeText } from './text.js'
