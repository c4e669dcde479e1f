/**
 * Tracepoints: declared once, called on any thread. A declaration enters the schema into the
 * process's tracepoint table. It needs no recording, and nothing of it keeps the program alive.
 */
import {
  makeSchema,
  schemaText,
  type FieldType,
  type FieldValuesOf,
  type Level,
  type Schema,
  type ValueOf,
} from '@rchan/ctf'
import { thisControl } from '@rchan/runtime/declaring'
import { throwIfFull } from './compile.js'
import { makeFacade, type Bound, type Dispatch } from './dispatch.js'
import { writingHalf } from './writing-half.js'

/** The fields of a tracepoint, by name. */
export type FieldTypes = Readonly<Record<string, FieldType>>

/** The value that a field of each type takes. */
export type FieldValue<T extends FieldType> = ValueOf<T>

/** The arguments of a tracepoint. */
export type FieldValues<F extends FieldTypes> = FieldValuesOf<F>

/**
 * A tracepoint. Call it with its fields to record an event. While nothing is recorded, a call costs
 * a load and a branch.
 *
 * A call does not throw. If its arguments can't be read (a getter throws) or don't fit their types
 * (`u8: 300`, `u32: 1.5`, a number for a `u64`), the event is discarded and counted. (A full stack
 * throws its RangeError here as in any call.)
 *
 * A call does not wait, except for a thread's first event of a recording, which brings the thread
 * online. That takes 1 to 3 ms, and at most 1 s if the thread that writes the files is stuck.
 */
export interface Tracepoint<F extends FieldTypes> {
  (
    ...args: keyof F extends never ? [fields?: Readonly<Record<string, never>>] : [fields: FieldValues<F>]
  ): void
  /**
   * Whether a recording runs. Use it to skip making costly arguments. May be stale by an instant.
   */
  readonly enabled: boolean
  /** Its name and fields. */
  readonly schema: Schema
}

/** What can be said of a tracepoint beside its fields. */
export interface TracepointOptions {
  /** How important its events are. By default `info`. */
  readonly level?: Level
}

/**
 * Declares a tracepoint. Any thread may declare it: the same name and fields are the same
 * tracepoint on all threads.
 *
 * @param name letters, digits and `_`, in parts joined by one of `: . / -`; at most 200 characters,
 * and not starting with a digit.
 * @param fields the type of each field, in the order in which readers show them.
 * @throws TypeError for a bad name or type; RangeError if the process already has 2048 tracepoints.
 * @example
 * export const tileDone = tracepoint('tile:done', { id: 'u32', ms: 'f64', path: 'string' })
 * tileDone({ id: 7, ms: 1.5, path: 'a.png' })
 */
export function tracepoint<const F extends FieldTypes>(
  name: string,
  fields: F,
  options: TracepointOptions = {},
): Tracepoint<F> {
  const schema = makeSchema(name, fields, options)
  const id = thisControl.declare(schemaText(schema))
  const { flags } = thisControl
  const encoder = makeFacade(flags, id, schema.name, dispatchTo(id, schema))
  Object.defineProperties(encoder, {
    name: { value: schema.name },
    schema: { value: schema },
    // A plain read: the value is a hint and may be stale by an instant.
    enabled: { get: () => flags[id] !== 0 },
  })
  return encoder as unknown as Tracepoint<F>
}

/**
 * Returns a dispatch that gets its encoder with the first event of a recording. If a recording runs
 * now, the writing half is loaded now, and no event waits for it.
 */
function dispatchTo(id: number, schema: Schema): Dispatch {
  const dispatch: Dispatch = {
    encode(args, flag) {
      let encode: Bound
      try {
        encode = writingHalf().encoderOf(id, schema, dispatch)
      } catch (error) {
        throwIfFull(error)
        return thisControl.countNoBuffer()
      }
      dispatch.encode = encode
      return encode(args, flag)
    },
  }
  if (thisControl.generation !== 0) {
    try {
      dispatch.encode = writingHalf().encoderOf(id, schema, dispatch)
    } catch {
      // The stack is full, or the program allows no code from text. The first event finds out.
    }
  }
  return dispatch
}
