/**
 * Tracepoints: declared once, called on any thread. Declaring one enters its schema into the
 * process's tracepoint table; it needs no recording, and nothing of it keeps the program alive.
 */
import { makeSchema, schemaText, type FieldType, type FieldTypeValues, type Schema } from '@rchan/ctf'
import { thisCpu } from '@rchan/runtime'
import { makeEncoder } from './facade.js'
import { packetClient } from './packet-client.js'

/** The fields of a tracepoint, by name. */
export type FieldTypes = Readonly<Record<string, FieldType>>

/** The value that a field of each type takes. */
export type FieldValue<T extends FieldType> = FieldTypeValues[T]

/** The arguments of a tracepoint. */
export type FieldValues<F extends FieldTypes> = { readonly [K in keyof F]: FieldValue<F[K]> }

/**
 * A tracepoint. Call it with its fields to record an event; while nothing is recorded, that is a
 * load and a branch.
 *
 * It does not throw: a call whose arguments can't be read (a getter that throws), or don't fit
 * their types (`u8: 300`, `u32: 1.5`, a number for a `u64`), is discarded and counted. (A stack
 * that is full throws its RangeError here as in any call.) It does not wait, but for a thread's
 * first event of a recording, which brings the thread online: 1 to 3 ms, and 1 s at the most, when
 * the thread that writes the files is stuck.
 */
export interface Tracepoint<F extends FieldTypes> {
  (
    ...args: keyof F extends never ? [fields?: Readonly<Record<string, never>>] : [fields: FieldValues<F>]
  ): void
  /**
   * Whether a recording runs: guards arguments that are costly to make. May be stale by an instant.
   */
  readonly enabled: boolean
  /** Its name and fields. */
  readonly schema: Schema
}

/**
 * Declares a tracepoint. Any thread; the same name and fields are the same tracepoint in all of
 * them.
 *
 * @param name letters, digits and `_`, in parts joined by one of `: . / -`.
 * @param fields the type of each field, in the order in which readers show them.
 * @throws TypeError for a bad name or type; RangeError when the process has 2048 tracepoints
 * already.
 * @example
 * export const tileDone = tracepoint('tile:done', { id: 'u32', ms: 'f64', path: 'string' })
 * tileDone({ id: 7, ms: 1.5, path: 'a.png' })
 */
export function tracepoint<const F extends FieldTypes>(name: string, fields: F): Tracepoint<F> {
  const schema = makeSchema(name, fields)
  const { control } = thisCpu
  thisCpu.setClient(packetClient)
  const id = control.declare(schemaText(schema))
  const encoder = makeEncoder(thisCpu, id, schema.name, schema.fields)
  const { flags } = control
  Object.defineProperties(encoder, {
    name: { value: schema.name },
    schema: { value: schema },
    // Read plainly: a hint, which may be stale by an instant.
    enabled: { get: () => flags[id] !== 0 },
  })
  return encoder as unknown as Tracepoint<F>
}
