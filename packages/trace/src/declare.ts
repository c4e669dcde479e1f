/**
 * Declarations: enter a schema into the process's tracepoint table, and make the dispatch of its
 * calls. On every thread that declares a tracepoint.
 */
import { makeSchema, schemaText, type Schema, type SchemaOptions, type StructTypes } from '@rchan/ctf'
import { thisControl } from '@rchan/runtime/declaring'
import { throwIfFull } from './compile.js'
import type { Bound, Dispatch, SpanDispatch } from './dispatch.js'
import { writingHalf } from './writing-half.js'

/** A declared schema, as the calling thread has it. */
export interface Declared {
  readonly id: number
  readonly schema: Schema
  readonly flags: Int32Array
}

/** Declares a schema. @throws TypeError, RangeError: see `tracepoint`. */
export function declare(name: string, fields: StructTypes, options: SchemaOptions): Declared {
  const schema = makeSchema(name, fields, options)
  const id = thisControl.declare(schemaText(schema))
  applyRules(id, schema)
  return { id, schema, flags: thisControl.flags }
}

/** Applies the rules of the recording that runs to an entry. */
function applyRules(id: number, schema: Schema): void {
  if (thisControl.generation === 0) return
  try {
    writingHalf().applyRules(id, schema)
  } catch (error) {
    // The program allows no code from text. Nothing of it is recorded then.
    throwIfFull(error)
  }
}

/**
 * Returns a dispatch that gets its encoder with the first event of a recording. If a recording runs
 * now, the writing half is loaded now, and no event waits for it.
 */
export function dispatchTo({ id, schema }: Declared): Dispatch {
  const dispatch: Dispatch = {
    encode(args, flag, s0, s1, s2) {
      let encode: Bound
      try {
        encode = writingHalf().encoderOf(id, schema, dispatch)
      } catch (error) {
        throwIfFull(error)
        return thisControl.countNoBuffer()
      }
      dispatch.encode = encode
      return encode(args, flag, s0, s1, s2)
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

/** Makes the encoder of a dispatch for the recording that runs, without an event. */
export function prepare(dispatch: Dispatch): void {
  try {
    writingHalf().prepare(dispatch)
  } catch (error) {
    // The program allows no code from text. The first event counts it.
    throwIfFull(error)
  }
}

/** The same for the begin and the end of a span. */
export function spanDispatchTo({ id, schema }: Declared): { span: SpanDispatch } {
  const dispatch: { span: SpanDispatch } = {
    span: {
      begin(args, flag) {
        try {
          dispatch.span = writingHalf().spanOf(id, schema, dispatch)
        } catch (error) {
          throwIfFull(error)
          thisControl.countNoBuffer()
          return 0
        }
        return dispatch.span.begin(args, flag)
      },
      // No span of this thread has begun.
      end() {},
    },
  }
  return dispatch
}
