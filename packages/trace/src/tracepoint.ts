/**
 * Tracepoints: declared once, called on any thread. A declaration enters the schema into the
 * process's tracepoint table. It needs no recording, and nothing of it keeps the program alive.
 */
import type { FieldType, FieldValuesOf, Level, Schema, ValueOf } from '@rchan/ctf'
import { declare, dispatchTo } from './declare.js'
import type { CallFields, NoFields } from './kinds.js'
import { makeFacade, makeSystemCall, type SystemCall } from './dispatch.js'

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
  (...fields: CallFields<F>): void
  /**
   * Records an event that is learnt of only now.
   *
   * @param ns when it happened, in ns of the trace's clock (see `now`): a bigint, or a safe
   * integer. In the trace the event stands at the time of the call; readers show it at its own.
   */
  at(ns: bigint | number, ...fields: CallFields<F>): void
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
 * @param fields the type of each field, in the order in which readers show them. Left out: none.
 * @throws TypeError for a bad name or type; RangeError if the process already has 2048 tracepoints.
 * @example
 * export const tileDone = tracepoint('tile:done', { id: 'u32', ms: 'f64', path: 'string' })
 * tileDone({ id: 7, ms: 1.5, path: 'a.png' })
 */
export function tracepoint<const F extends FieldTypes = NoFields>(
  name: string,
  fields: F = {} as F,
  options: TracepointOptions = {},
): Tracepoint<F> {
  const declared = declare(name, fields, options)
  const { id, schema, flags } = declared
  const encoder = makeFacade(flags, id, schema.name, dispatchTo(declared))
  let late: SystemCall | undefined
  Object.defineProperties(encoder, {
    name: { value: schema.name },
    schema: { value: schema },
    // A plain read: the value is a hint and may be stale by an instant.
    enabled: { get: () => flags[id] !== 0 },
    at: {
      value: (ns: unknown, given: Readonly<Record<string, unknown>>) => {
        if (flags[id] === 0) return
        late ??= lateCall(name, fields, options)
        late(ns, given)
      },
    },
  })
  return encoder as unknown as Tracepoint<F>
}

/** Events with a time of their own are a class of their own, which most tracepoints never need. */
function lateCall(name: string, fields: FieldTypes, options: TracepointOptions): SystemCall {
  const late = declare(name, fields, { ...options, kind: 'late-event' })
  return makeSystemCall(late.flags, late.id, name, dispatchTo(late))
}
