/**
 * Tracepoints for authors of libraries. They are declared here, and recorded by the rchan that the
 * program has, if it has one; in whatever order the two are loaded. This file is all there is of
 * it: it imports nothing.
 *
 * It meets rchan, and other copies of itself, in a registry that is a property of the thread's
 * `process`:
 *
 * ```text
 *   process[Symbol.for('rchan.tracepoints.1')] = {
 *     entries: [{ kind, name, fields, options, bind }]   what was declared; this file adds to it
 *     adopt(entry)                                       set by rchan: makes the tracepoint, and
 *   }                                                    calls entry.bind(tracepoint)
 * ```
 */
import type {
  AsyncSpan,
  AsyncSpanFields,
  Counter,
  CounterType,
  FieldTypes,
  Flow,
  KindOptions,
  NoFields,
  Span,
  SpanOptions,
  Tracepoint,
  TracepointOptions,
} from '@rchan/trace/faces'
import type { FieldType, FieldTypeNode, FieldValuesOf, StructTypes, t as T, ValueOf } from '@rchan/ctf'

export type {
  AsyncSpan,
  AsyncSpanFields,
  Counter,
  CounterType,
  FieldTypes,
  Flow,
  KindOptions,
  NoFields,
  Span,
  SpanOptions,
  TracepointOptions,
}
export type { CallFields, FieldValue, FieldValues, FlowId, SpanRest, SpanToken } from '@rchan/trace/faces'
export type {
  Field,
  FieldType,
  FieldTypeName,
  FieldTypeNode,
  FieldTypeValues,
  FieldValuesOf,
  Level,
  NumberTypeName,
  Numbers,
  StructTypes,
  Typed,
  TypeOptions,
  ValueOf,
  WordType,
} from '@rchan/ctf'

/** A tracepoint of a library: that of rchan, but for its schema. */
export interface LibraryTracepoint<F extends FieldTypes> {
  (...args: Parameters<Tracepoint<F>>): void
  /** See rchan's tracepoint. */
  at(ns: bigint | number, fields: FieldValuesOf<F>): void
  /** Whether it is recorded now. Use it to skip making costly arguments. */
  readonly enabled: boolean
}
/** A span of a library: that of rchan, but for its schema. */
export type LibrarySpan<F extends StructTypes> = Omit<Span<F>, 'schema'>

type Kind = 'event' | 'span' | 'async' | 'flow' | 'counter'
/** What rchan makes of an entry. Only the methods of its kind are there. */
interface Made {
  (...args: readonly unknown[]): void
  readonly enabled: boolean
  readonly [method: string]: unknown
}
type Method = (...args: readonly unknown[]) => unknown

interface Entry {
  readonly kind: Kind
  readonly name: string
  readonly fields: unknown
  readonly options: unknown
  /** Called by rchan, once. */
  bind(made: Made): void
}

interface Registry {
  readonly entries: Entry[]
  adopt?: (entry: Entry) => void
}

const KEY = Symbol.for('rchan.tracepoints.1')

/** The thread's own process: a test runner may have put a copy in its place. */
function thisProcess(): object {
  // Without a process (in a browser) there is no rchan either.
  if (typeof process !== 'object') return globalThis
  return process.getBuiltinModule?.('node:process') ?? process
}

function registry(): Registry {
  const place = thisProcess() as Record<symbol, Registry>
  if (place[KEY] === undefined) Object.defineProperty(place, KEY, { value: { entries: [] } })
  return place[KEY]
}

/** Declares. @returns where rchan's own object will be. */
function declare(kind: Kind, name: string, fields: unknown, options: unknown): { made: Made | undefined } {
  const place: { made: Made | undefined } = { made: undefined }
  const { entries, adopt } = registry()
  const entry: Entry = {
    kind,
    name,
    fields,
    options,
    bind(made) {
      place.made = made
      sayIfTwo(entry, entries)
    },
  }
  entries.push(entry)
  adopt?.(entry)
  return place
}

/** Two schemas under one name are two tracepoints. That is seldom meant. */
function sayIfTwo(entry: Entry, entries: readonly Entry[]): void {
  const text = ({ kind, fields }: Entry): string => `${kind} ${JSON.stringify(fields)}`
  const other = entries.find((each) => each.name === entry.name && text(each) !== text(entry))
  if (other === undefined || entries.indexOf(other) > entries.indexOf(entry)) return
  process.emitWarning(
    `rchan: two different tracepoints are called ${entry.name}: ${text(other)} and ${text(entry)}; ` +
      `both are recorded: two versions of a library may be loaded, or two libraries use one name`,
  )
}

function withEnabled<O extends object>(face: O, place: { made: Made | undefined }): O {
  return Object.defineProperty(face, 'enabled', { get: () => place.made?.enabled === true })
}

/** Calls a method of rchan's object, if there is one. */
function call(place: { made: Made | undefined }, method: string): Method {
  return (...args) => (place.made?.[method] as Method | undefined)?.(...args)
}

/**
 * Declares a tracepoint of a library. See `tracepoint` of rchan.
 *
 * While the program has no rchan, a call costs a load and a branch. A mistake in the declaration is
 * said by rchan, as a warning of the process, and the tracepoint then stays off.
 *
 * @example
 * export const evicted = tracepoint('mycache:evicted', { key: 'string', bytes: 'u32' })
 * evicted({ key, bytes })
 */
export function tracepoint<const F extends FieldTypes>(
  name: string,
  fields: F,
  options?: TracepointOptions,
): LibraryTracepoint<F> {
  const place = declare('event', name, fields, options)
  const face = (args: unknown): void => {
    if (place.made !== undefined) place.made(args)
  }
  return withEnabled(Object.assign(face, { at: call(place, 'at') }), place) as unknown as LibraryTracepoint<F>
}

/** Declares a span of a library. See `span` of rchan. While there is no rchan, `run` runs. */
export function span<const F extends StructTypes = NoFields>(
  name: string,
  fields?: F,
  options?: SpanOptions,
): LibrarySpan<F> {
  const place = declare('span', name, fields, options)
  const face = {
    begin: (args?: unknown) =>
      place.made === undefined ? 0 : (place.made as unknown as { begin: Method }).begin(args),
    end: (token: number, args?: unknown) => {
      if (token !== 0) (place.made as unknown as { end: Method }).end(token, args)
    },
    fail: (token: number, args?: unknown) => {
      if (token !== 0) (place.made as unknown as { fail: Method }).fail(token, args)
    },
    run: (args: unknown, body: () => unknown) =>
      place.made === undefined ? body() : (place.made.run as Method)(args, body),
    using: (args: unknown) =>
      place.made === undefined ? { [Symbol.dispose]() {} } : (place.made.using as Method)(args),
    between: call(place, 'between'),
  }
  return withEnabled(face, place) as unknown as LibrarySpan<F>
}

/** Declares an asynchronous span of a library. See `asyncSpan` of rchan. */
export function asyncSpan<const B extends StructTypes = NoFields, const E extends StructTypes = NoFields>(
  name: string,
  fields?: AsyncSpanFields<B, E>,
  options?: KindOptions,
): AsyncSpan<B, E> {
  const place = declare('async', name, fields, options)
  const face = { begin: call(place, 'begin'), end: call(place, 'end'), fail: call(place, 'fail') }
  return withEnabled(face, place) as unknown as AsyncSpan<B, E>
}

/** Declares a flow of a library. See `flow` of rchan. */
export function flow<const F extends StructTypes = NoFields>(
  name: string,
  fields?: F,
  options?: KindOptions,
): Flow<F> {
  const place = declare('flow', name, fields, options)
  const face = { start: call(place, 'start'), step: call(place, 'step'), end: call(place, 'end') }
  return withEnabled(face, place) as unknown as Flow<F>
}

/** Declares a counter of a library. See `counter` of rchan. */
export function counter<const C extends CounterType>(
  name: string,
  type: C,
  options?: KindOptions,
): Counter<ValueOf<C>>
export function counter<const F extends StructTypes>(
  name: string,
  fields: F,
  options?: KindOptions,
): Counter<FieldValuesOf<F>>
export function counter(
  name: string,
  typeOrFields: FieldType | StructTypes,
  options?: KindOptions,
): Counter<unknown> {
  const place = declare('counter', name, typeOrFields, options)
  const face = (value: unknown): void => {
    if (place.made !== undefined) place.made(value)
  }
  return withEnabled(face, place) as unknown as Counter<unknown>
}

/** Makes a type. It is checked when rchan is there. */
function node(type: string, parameters?: object): FieldTypeNode {
  return Object.freeze({ ...parameters, type }) as FieldTypeNode
}

const word =
  (type: string) =>
  (options?: object): FieldTypeNode =>
    node(type, options)
const WORDS = 'u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 bool interned string bytes'.split(' ')

/** Makes the types of fields that have parameters or options. See `t` of rchan. */
export const t: typeof T = Object.freeze({
  ...Object.fromEntries(WORDS.map((type) => [type, word(type)])),
  enum: (...labels: readonly string[]) => node('enum', { labels }),
  seq: (of: string, options?: object) => node('seq', { ...options, of }),
  array: (of: string, length: number, options?: object) => node('array', { ...options, of, length }),
  struct: (fields: object) => node('struct', { fields: Object.entries(fields) }),
  optional: (of: unknown) => node('optional', { of }),
}) as unknown as typeof T
