/**
 * The function of a tracepoint: its facade, which stays, and calls the encoder of the recording
 * that runs. On every thread that declares a tracepoint.
 *
 * It is compiled from source text. Each text is unique, because functions made of the same text
 * share their type feedback. If the program forbids that, all facades are one function.
 */
import { compile } from './compile.js'

/**
 * Writes one record, or does nothing while the tracepoint is off. Throws only if the stack is full.
 */
export type Encoder = (args?: Readonly<Record<string, unknown>>) => void

/**
 * The encoder that a facade calls. `flag` is its tracepoint's flag, or that of no recording (see
 * bound.ts).
 */
export type Bound = (args: Readonly<Record<string, unknown>> | undefined, flag: number) => void

/** The encoder that a tracepoint's facade calls just now. */
export interface Dispatch {
  encode: Bound
}

/** Makes the facade of a tracepoint. */
export function makeFacade(flags: Int32Array, id: number, name: string, dispatch: Dispatch): Encoder {
  const facade = compile(facadeSource(id, name), { flags, dispatch }) as Encoder | undefined
  return facade ?? interpretFacade(flags, id, dispatch)
}

/** Like {@link makeFacade}, but compiles nothing. */
export function interpretFacade(flags: Int32Array, id: number, dispatch: Dispatch): Encoder {
  return (args) => {
    const flag = flags[id]
    if (flag !== 0) dispatch.encode(args, flag)
  }
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
