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
 * bound.ts). The others are the values of the fields that records of its kind have in front. (For
 * the encoder of a span: the slot of its start, nothing, and the outcome.)
 */
export type Bound = (
  args: Readonly<Record<string, unknown>> | undefined,
  flag: number,
  s0?: unknown,
  s1?: unknown,
  s2?: unknown,
) => void

/** The encoder that a tracepoint's facade calls just now. */
export interface Dispatch {
  encode: Bound
}

/** The begin and the end of a span. */
export interface SpanDispatch {
  /** @returns a token, or 0 if the span is not recorded. */
  begin(args: Readonly<Record<string, unknown>> | undefined, flag: number): number
  /** @param outcome undefined for a call in vain. */
  end(
    args: Readonly<Record<string, unknown>> | undefined,
    token: number,
    outcome: 'ok' | 'failed' | undefined,
  ): void
}

/** Makes the facade of a tracepoint. */
export function makeFacade(flags: Int32Array, id: number, name: string, dispatch: Dispatch): Encoder {
  const facade = compile(facadeSource(id, name), { flags, dispatch }) as Encoder | undefined
  return facade ?? interpretFacade(flags, id, dispatch)
}

/** The call of a kind whose records have fields in front. */
export type SystemCall = (s0: unknown, args?: Readonly<Record<string, unknown>>) => void

/**
 * Makes a call of a tracepoint whose records have fields in front: the first one is the call's
 * first argument, the second one, if there is one, always the same.
 */
export function makeSystemCall(
  flags: Int32Array,
  id: number,
  name: string,
  dispatch: Dispatch,
  constant?: string,
): SystemCall {
  const call = compile(
    `'use strict' // ${name} #${id} ${constant ?? ''}
const { flags, dispatch } = env
return function (s0, args) {
  const flag = flags[${id}]
  if (flag === 0) return
  dispatch.encode(args, flag, s0${constant === undefined ? '' : `, '${constant}'`})
}`,
    { flags, dispatch },
  ) as SystemCall | undefined
  return (
    call ??
    ((s0, args) => {
      const flag = flags[id]
      if (flag !== 0) dispatch.encode(args, flag, s0, constant)
    })
  )
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

/**
 * What a declaration returns that is no function: an object with calls, and whether they are
 * recorded. The getter is the prototype's. As a property of each object's own it would make V8 keep
 * the second object and all later ones as dictionaries, whose calls are found by a search (10 ns).
 */
export class Face {
  readonly #flags: Int32Array
  readonly #id: number

  constructor(flags: Int32Array, id: number, calls: object) {
    this.#flags = flags
    this.#id = id
    Object.assign(this, calls)
    Object.freeze(this)
  }

  /** A plain read: the value is a hint and may be stale by an instant. */
  get enabled(): boolean {
    return this.#flags[this.#id] !== 0
  }
}
