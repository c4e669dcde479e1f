/**
 * The other kinds of tracepoints: what begins and ends on different threads, ways from thread to
 * thread, and numbers over time. A declaration works as that of a tracepoint.
 */
import {
  t,
  type FieldType,
  type FieldValuesOf,
  type Level,
  type NumberTypeName,
  type StructTypes,
  type ValueOf,
} from '@rchan/ctf'
import { declare, dispatchTo, prepare } from './declare.js'
import { Face, makeFacade, makeSystemCall } from './dispatch.js'

/** The types of no fields. */
// oxlint-disable-next-line typescript/no-empty-object-type -- it has no keys
export type NoFields = {}

/** The fields of a call: they can be left out if there are none. */
export type CallFields<F extends StructTypes> = keyof F extends never
  ? [fields?: Readonly<Record<string, never>>]
  : [fields: FieldValuesOf<F>]

/** What can be said of a tracepoint of these kinds beside its fields. */
export interface KindOptions {
  /** How important its events are. By default `info`. */
  readonly level?: Level
}

/** The id of an asynchronous span or of a flow: from 0 to 2^64 − 1. */
export type FlowId = number | bigint

/** The fields of the two events of an asynchronous span. */
export interface AsyncSpanFields<B extends StructTypes, E extends StructTypes> {
  readonly begin?: B
  readonly end?: E
}

/**
 * A span that may begin on one thread and end on another: a task from its submission to its reply.
 * It is two events, `NAME:begin` and `NAME:end`, with the same id. Calls never throw.
 */
export interface AsyncSpan<B extends StructTypes, E extends StructTypes> {
  /** Begins a span. Spans of this name that are open at the same time need different ids. */
  begin(id: FlowId, ...fields: CallFields<B>): void
  /** Ends the span with this id. */
  end(id: FlowId, ...fields: CallFields<E>): void
  /** Ends the span with this id, and marks it as failed. */
  fail(id: FlowId, ...fields: CallFields<E>): void
  /** Whether it is recorded now. May be stale by an instant. */
  readonly enabled: boolean
}

/**
 * Declares an asynchronous span.
 *
 * @throws as `tracepoint`.
 * @example
 * const task = asyncSpan('pool:task', { begin: { file: 'interned' }, end: { bytes: 'u32' } })
 * task.begin(7, { file: 'a.png' }) // on the thread that submits
 * task.end(7, { bytes: 512 }) // on the thread that gets the reply
 */
export function asyncSpan<const B extends StructTypes = NoFields, const E extends StructTypes = NoFields>(
  name: string,
  fields: AsyncSpanFields<B, E> = {},
  options: KindOptions = {},
): AsyncSpan<B, E> {
  const begin = declare(`${name}:begin`, fields.begin ?? {}, { ...options, kind: 'async-begin' })
  const end = declare(`${name}:end`, fields.end ?? {}, { ...options, kind: 'async-end' })
  const { flags } = begin
  const ends = dispatchTo(end)
  const face = {
    begin: makeSystemCall(flags, begin.id, name, dispatchTo(begin)),
    end: makeSystemCall(flags, end.id, name, ends, 'ok'),
    fail: makeSystemCall(flags, end.id, name, ends, 'failed'),
  }
  return new Face(flags, begin.id, face) as unknown as AsyncSpan<B, E>
}

/**
 * A way from thread to thread, which viewers draw as arrows: submitted here, ran there. Calls never
 * throw.
 */
export interface Flow<F extends StructTypes> {
  /** The way begins at this thread, now. */
  start(id: FlowId, ...fields: CallFields<F>): void
  /** It comes by. */
  step(id: FlowId, ...fields: CallFields<F>): void
  /** It ends. */
  end(id: FlowId, ...fields: CallFields<F>): void
  /**
   * Makes the calling thread ready for it, which its first call in a recording does otherwise: for
   * calls within a span, which is to last no longer for that.
   *
   * @internal
   */
  prepare(): void
  /** Whether it is recorded now. May be stale by an instant. */
  readonly enabled: boolean
}

/**
 * Declares a flow.
 *
 * @throws as `tracepoint`.
 * @example
 * const way = flow('pool:way')
 * way.start(7) // before postMessage
 * way.end(7) // in the worker
 */
export function flow<const F extends StructTypes = NoFields>(
  name: string,
  fields: F = {} as F,
  options: KindOptions = {},
): Flow<F> {
  const declared = declare(name, fields, { ...options, kind: 'flow' })
  const { id, flags } = declared
  const dispatch = dispatchTo(declared)
  let readyFor = 0
  const face = {
    prepare() {
      const flag = flags[id]
      if (flag === readyFor || flag === 0) return
      readyFor = flag
      prepare(dispatch)
    },
    start: makeSystemCall(flags, id, name, dispatch, 'start'),
    step: makeSystemCall(flags, id, name, dispatch, 'step'),
    end: makeSystemCall(flags, id, name, dispatch, 'end'),
  }
  return new Face(flags, id, face) as unknown as Flow<F>
}

/** The types of which counters can be. */
export type CounterType = NumberTypeName | FieldType

/** A number over time, or several together. Calls never throw. */
export interface Counter<F> {
  /** Records its value now: a number, or an object with a number for each series. */
  (value: F): void
  /** Whether it is recorded now. May be stale by an instant. */
  readonly enabled: boolean
}

/**
 * Declares a counter: of one number, or of several series. Fields that are no numbers are
 * arguments.
 *
 * @throws as `tracepoint`.
 * @example
 * const queue = counter('pool:queue', t.u32({ unit: 'tasks' }))
 * queue(12)
 * const memory = counter('memory', { heap: 'f64', external: 'f64' })
 * memory({ heap: 2e6, external: 1e4 })
 */
export function counter<const T extends CounterType>(
  name: string,
  type: T,
  options?: KindOptions,
): Counter<ValueOf<T>>
export function counter<const F extends StructTypes>(
  name: string,
  fields: F,
  options?: KindOptions,
): Counter<FieldValuesOf<F>>
export function counter(
  name: string,
  typeOrFields: FieldType | StructTypes,
  options: KindOptions = {},
): Counter<unknown> {
  const isOne = typeof typeOrFields === 'string' || isType(typeOrFields)
  const fields = isOne ? { value: typeOrFields as FieldType } : (typeOrFields as StructTypes)
  const declared = declare(name, fields, { ...options, kind: 'counter' })
  const { id, schema, flags } = declared
  const call = makeFacade(flags, id, name, dispatchTo(declared))
  const face = isOne ? (value: unknown) => call({ value }) : call
  Object.defineProperties(face, {
    name: { value: schema.name },
    schema: { value: schema },
    enabled: { get: () => flags[id] !== 0 },
  })
  return face as unknown as Counter<unknown>
}

/** Whether a value was made by `t`, and is no table of fields: a type's `type` is a word. */
function isType(value: FieldType | StructTypes): boolean {
  const { type } = value as { type?: unknown }
  return typeof type === 'string' && Object.isFrozen(value) && (Object.hasOwn(t, type) || type === 'enum')
}
