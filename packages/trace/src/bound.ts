/**
 * Bound encoders: the common part of the encoders for both kinds of buffers. A bound encoder
 * belongs to one recording. It has that recording's memory and generation as constants. On every
 * thread that traces.
 */
import type { FieldFunctions, PlacedField } from '@rchan/ctf'
import type { Cpu } from '@rchan/runtime'
import type { Bound } from './dispatch.js'
import { misfitText, UNREAD } from './misfit.js'
import { limitText, textBytes, writeText } from './text.js'

/**
 * The flag of no recording. A bound encoder does nothing then, not even a call. (V8 would take note
 * of it, and expect the call that needs the argument object, which would then be allocated.)
 */
export const NO_FLAG = 0

export type { Bound }

/** The functions that every bound encoder calls. */
export interface BoundEnv {
  /**
   * Counts a call whose arguments can't be read or don't fit, and says why.
   *
   * @param argsType `typeof` the arguments' object; not the object, which V8 drops where nobody
   * else sees it. `number` where there is none.
   * @param values as far as they were read.
   * @param failed the field that is to blame, if it is known: then only its value is there.
   */
  readonly discardBad: (argsType: string, values: readonly unknown[], failed?: number) => void
  /** The same, for compiled code. */
  readonly bad: (argsType: string, ...values: unknown[]) => void
  /** What stands for a value until it is read. */
  readonly unread: unknown
  /** For a call in another recording. */
  readonly renew: Bound
}

/** What an encoder calls when the arguments are bad. @param discard counts, and passes on why. */
export function badCalls(
  fields: readonly PlacedField[],
  discard: (reason: () => string) => void,
): Omit<BoundEnv, 'renew'> {
  const discardBad: BoundEnv['discardBad'] = (argsType, values, failed) =>
    discard(() => misfitText(fields, argsType, values, failed))
  return { discardBad, bad: (argsType, ...values) => discardBad(argsType, values), unread: UNREAD }
}

/** What the fields of a record use of their recording. */
export function fieldFunctions(cpu: Cpu): FieldFunctions {
  const cut = (): void => cpu.countCut()
  return {
    textBytes,
    writeText,
    limitText: (text, max) => limitText(text, max, cut),
    intern: (text) => cpu.intern(text),
    cut,
  }
}
