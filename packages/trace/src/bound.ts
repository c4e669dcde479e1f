/**
 * Bound encoders: the common part of the encoders for both kinds of buffers. A bound encoder
 * belongs to one recording. It has that recording's memory and generation as constants. On every
 * thread that traces.
 */
import type { FieldMemory, PlacedField } from '@rchan/ctf'
import type { Bound } from './dispatch.js'
import { misfitText, UNREAD } from './misfit.js'
import { textBytes, writeText } from './text.js'

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
   */
  readonly discardBad: (argsType: string, values: readonly unknown[]) => void
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
  const discardBad: BoundEnv['discardBad'] = (argsType, values) =>
    discard(() => misfitText(fields, argsType, values))
  return { discardBad, bad: (argsType, ...values) => discardBad(argsType, values), unread: UNREAD }
}

/** Functions that store texts: part of each {@link FieldMemory}. */
export const TEXTS: Pick<FieldMemory, 'textBytes' | 'writeText'> = { textBytes, writeText }
