/**
 * Bound encoders: what encoders of both kinds of buffers have in common. A bound encoder belongs to
 * one recording, whose memory and generation it has as constants. On every thread that traces.
 */
import { asI64, asU64, type FieldMemory } from '@rchan/ctf'
import { textBytes, writeText } from './text.js'

/** The encoder of one recording. `flag` is that of its tracepoint, and not 0. */
export type Bound = (args: Readonly<Record<string, unknown>> | undefined, flag: number) => void

/** What every bound encoder calls. */
export interface BoundEnv {
  readonly discardBad: () => void
  /** For a call in another recording. */
  readonly renew: Bound
}

// Taken when this module is loaded: programs that harden themselves replace it, or forbid it,
// later.
const Compiler = Function
const StackError = RangeError

/** How texts are stored: part of each {@link FieldMemory}. */
export const TEXTS: Pick<FieldMemory, 'textBytes' | 'writeText'> = { textBytes, writeText }

/**
 * Makes a function from its source, in which `env` is what the function uses.
 *
 * @returns the function; undefined where the program forbids it.
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
 * That code from text is forbidden comes as an error of any kind. A full stack is the program's
 * own.
 */
function throwIfFull(error: unknown): void {
  if (error instanceof StackError && error.message === 'Maximum call stack size exceeded') throw error
}
