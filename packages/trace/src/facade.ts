/**
 * The function of a tracepoint (its facade), and the encoder that it calls. The facade stays. An
 * encoder is made for each recording and holds views of that recording's memory as constants. V8
 * folds them into the code that it inlines, which saves a tenth of the time of a call. On every
 * thread that traces.
 *
 * Both are compiled from source text. Each text is unique, because functions made of the same text
 * share their type feedback. If the program forbids compiling
 * (`--disallow-code-generation-from-strings`), an interpreter of the layout does the same more
 * slowly.
 *
 * There is an encoder for each kind of buffer: cpu-encoder.ts, global-encoder.ts.
 */
import { layoutRecord, type Field } from '@rchan/ctf'
import type { Cpu } from '@rchan/runtime'
import { compile, NO_FLAG, type Bound } from './bound.js'
import { cpuEnv, cpuEncoderSource, interpretCpu, type CpuEnv } from './cpu-encoder.js'
import { globalEncoderSource, globalEnv, interpretGlobal, type GlobalEnv } from './global-encoder.js'

/**
 * Writes one record, or does nothing while the tracepoint is off. Throws only if the stack is full.
 */
export type Encoder = (args?: Readonly<Record<string, unknown>>) => void

/**
 * V8 notes which ways a function has gone only after some calls of it. So a new encoder is first
 * called so often in vain, and then takes its slow path once. Otherwise V8 would optimize it
 * without that way, throw the result away at the first switch, and the thread would run slow code
 * again for thousands of records.
 */
const CALLS_UNTIL_FEEDBACK = 256

/** The encoder that a tracepoint's facade calls. */
interface Dispatch {
  encode: Bound
}

/**
 * Makes a tracepoint's function. Any thread may call this; only the calling thread may use the
 * result.
 */
export function makeEncoder(cpu: Cpu, id: number, name: string, fields: readonly Field[]): Encoder {
  const dispatch = starting(cpu, id, fields, name)
  const env = { flags: cpu.control.flags, dispatch }
  return (compile(facadeSource(id, name), env) as Encoder | undefined) ?? interpretFacade(cpu, id, dispatch)
}

/** Like {@link makeEncoder}, but compiles nothing. */
export function interpretEncoder(cpu: Cpu, id: number, fields: readonly Field[]): Encoder {
  return interpretFacade(cpu, id, starting(cpu, id, fields, undefined))
}

function interpretFacade(cpu: Cpu, id: number, dispatch: Dispatch): Encoder {
  const { flags } = cpu.control
  return (args) => {
    const flag = flags[id]
    if (flag !== 0) dispatch.encode(args, flag)
  }
}

/**
 * Returns a dispatch whose first encoder brings the thread online. In each recording it replaces
 * itself by an encoder that is bound to the recording's memory.
 *
 * @param name if undefined, the encoder is interpreted.
 */
function starting(cpu: Cpu, id: number, fields: readonly Field[], name: string | undefined): Dispatch {
  // Both are copies, made now: later changes of `fields` by a caller must not reach the compiler.
  const layout = layoutRecord(fields)
  const globalLayout = layoutRecord(fields, true)
  const bind = (env: CpuEnv, generation: number): Bound =>
    (name === undefined
      ? undefined
      : (compile(cpuEncoderSource(id, name, layout, generation), env) as Bound | undefined)) ??
    interpretCpu(id, layout, env, generation)
  const bindGlobal = (env: GlobalEnv, generation: number): Bound =>
    (name === undefined
      ? undefined
      : (compile(globalEncoderSource(id, name, globalLayout, generation), env) as Bound | undefined)) ??
    interpretGlobal(id, globalLayout, env, generation)
  const start: Bound = (args) => {
    if (!cpu.online()) return
    const { view, writer, globalWriter } = cpu
    const { generation } = view
    let encode: Bound
    if (globalWriter !== undefined)
      encode = bindGlobal(globalEnv(cpu, globalWriter, id, globalLayout, start), generation)
    else if (writer !== undefined) encode = bind(cpuEnv(cpu, writer, id, layout, start), generation)
    else return
    dispatch.encode = encode
    cpu.onLeave(() => {
      dispatch.encode = start
    })
    for (let i = 0; i < CALLS_UNTIL_FEEDBACK; i += 1) encode(undefined, NO_FLAG)
    cpu.shutView()
    try {
      encode(args, generation)
    } finally {
      // For a record that did not come to its slow path: its arguments were bad.
      cpu.openView()
    }
  }
  const dispatch: Dispatch = { encode: start }
  return dispatch
}

/**
 * Returns the source of the facade: while nothing is recorded, a load and a branch. The encoder is
 * a property of `dispatch`. As a captured variable it would keep V8 on Node 26 from dropping the
 * argument object (6 ns).
 */
function facadeSource(id: number, name: string): string {
  return `'use strict' // ${name} #${id}
const { flags, dispatch } = env
return function (args) {
  const flag = flags[${id}]
  if (flag === 0) return
  dispatch.encode(args, flag)
}`
}

export { textBytes, writeText } from './text.js'
