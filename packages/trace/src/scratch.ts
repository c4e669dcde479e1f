/**
 * Scratch memory of a thread, in which a record is made before it has a place: a record with texts
 * for a global buffer, and any record with composite fields. On every thread that traces.
 *
 * A composite value is the caller's object: a getter of it may trace with the same tracepoint. Then
 * the scratch memory is in use, and that record is made in memory of its own.
 */
import {
  capture,
  MISFIT,
  numberViews,
  TOO_BIG,
  type FieldFunctions,
  type FieldMemory,
  type RecordLayout,
} from '@rchan/ctf'
import { UNREAD } from './misfit.js'

/** Room for fields other than texts, and for gaps. */
const FIXED_BYTES = 2048

/** Memory for one record at a time. */
export interface Scratch extends FieldMemory {
  /**
   * A length that no sub-buffer has room for. The length of the texts is not used: several long
   * ones can have more than 2^32 together.
   */
  readonly tooBig: number
  readonly functions: FieldFunctions
  /** Whether a record is being made here. */
  isBusy: boolean
  /** The field that did not fit, and its value, if the record could not be made. */
  failed: number
  value: unknown
}

/**
 * Makes scratch memory. If the texts of a record have more characters than `subbufSize` together,
 * they fit no sub-buffer. Otherwise they have at most 3 bytes a character.
 */
export function makeScratch(subbufSize: number, functions: FieldFunctions): Scratch {
  const buffer = new ArrayBuffer(((subbufSize + 7) & -8) * 4 + FIXED_BYTES)
  return {
    ...numberViews(buffer),
    ...functions,
    functions,
    limit: subbufSize,
    tooBig: subbufSize + 1,
    isBusy: false,
    failed: 0,
    value: undefined,
  }
}

/** Returns memory for one record. Give it back with {@link release}. */
export function claim(scratch: Scratch): Scratch {
  if (scratch.isBusy) return makeScratch(scratch.limit, scratch.functions)
  scratch.isBusy = true
  return scratch
}

/** Gives memory back, and lets go of the caller's value. */
export function release(scratch: Scratch): void {
  scratch.isBusy = false
  scratch.value = undefined
}

/**
 * Makes the payload of a record. All code of the caller runs here.
 *
 * @returns the end of the record whose start is 0; {@link MISFIT} (then `failed` and `value` say
 * where), or {@link TOO_BIG}.
 */
export function captureFields(
  { fields, payloadOffset }: RecordLayout,
  scratch: Scratch,
  args: Readonly<Record<string, unknown>> | undefined,
  system: readonly unknown[],
): number {
  let at = payloadOffset
  let index = 0
  scratch.value = UNREAD
  try {
    for (; index < fields.length; index += 1) {
      const { name, descriptor } = fields[index]
      scratch.value = UNREAD
      const value = index < system.length ? system[index] : (args as Record<string, unknown>)[name]
      scratch.value = value
      at = capture(descriptor, scratch, at, value)
      if (at < 0) {
        scratch.failed = index
        return at
      }
    }
  } catch {
    scratch.failed = index
    // An element of the value could not be read.
    scratch.value = UNREAD
    return MISFIT
  }
  return at > scratch.limit ? TOO_BIG : at
}
