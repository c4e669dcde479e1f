/**
 * Bound encoders: the common part of the encoders for both kinds of buffers. A bound encoder
 * belongs to one recording. It has that recording's memory and generation as constants. On every
 * thread that traces.
 */
import { asI64, asU64, type FieldMemory, type PlacedField } from '@rchan/ctf'
import { misfitText, UNREAD } from './misfit.js'
import { textBytes, writeText } from './text.js'

/**
 * The flag of no recording. A bound encoder does nothing then, not even a call. (V8 would take note
 * of it, and expect the call that needs the argument object, which would then be allocated.)
 */
export const NO_FLAG = 0

/** The encoder of one recording. `flag` is its tracepoint's flag, or {@link NO_FLAG}. */
export type Bound = (args: Readonly<Record<string, unknown>> | undefined, flag: number) => void

/** The functions that every bound encoder calls. */
export interface BoundEnv {
  /**
   * Counts a call whose arguments can't be read or don't fit, and says why.
   *
   * @param argsType `typeof` the arguments' object; not the object, which V8 drops where nobody
   * else sees it. `number` where there is none.
   * @param values as far as they were read.
   */
  readonly discardBad: (argsType: string, values: readonly unknown[]) => void
  /** The same, for compiled code. */
  readonly bad: (argsType: string, ...values: unknown[]) => void
  /** What stands for a value until it is read. */
  readonly unread: unknown
  /** For a call in another recording. */
  readonly renew: Bound
}

// Taken at load time: programs that harden themselves replace or forbid it later.
const Compiler = Function
const StackError = RangeError

/** What an encoder calls when the arguments are bad. @param discard counts, and passes on why. */
export function badCalls(
  fields: readonly PlacedField[],
  discard: (reason: () => string) => void,
): Omit<BoundEnv, 'renew'> {
  const discardBad: BoundEnv['discardBad'] = (argsType, values) =>
    discard(() => misfitText(fields, argsType, values))
  return { discardBad, bad: (argsType, ...values) => discardBad(argsType, values), unread: UNREAD }
}

/** Functions that store texts: part of each {@link FieldMemory}. */
export const TEXTS: Pick<FieldMemory, 'textBytes' | 'writeText'> = { textBytes, writeText }

/**
 * Makes a function from its source. The source finds what it uses in `env`.
 *
 * @returns the function; undefined if the program forbids it.
 */
export function compile(source: string, env: object): unknown {
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see the head of facade.ts
    const make = new Compiler('env', source) as (env: object) => unknown
    return make({ ...env, asI64, asU64 })
  } catch (error) {
    throwIfFull(error)
    return undefined
  }
}

/**
 * Throws a full-stack error on, because it is the program's own. Any other error means that code
 * from text is forbidden.
 */
function throwIfFull(error: unknown): void {
  if (error instanceof StackError && error.message === 'Maximum call stack size exceeded') throw error
}
