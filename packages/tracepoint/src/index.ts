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
  CallFields,
  Counter,
  CounterType,
  FieldTypes,
  Flow,
  KindOptions,
  NoFields,
  Span,
  SpanOptions,
  TracepointOptions,
} from '@rchan/trace/faces'
import type { FieldType, FieldTypeNode, FieldValuesOf, StructTypes, t as T, ValueOf } from '@rchan/ctf'

export type {
  AsyncSpan,
  AsyncSpanFields,
  CallFields,
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
export type { FieldValue, FieldValues, FlowId, SpanRest, SpanToken } from '@rchan/trace/faces'
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
  (...fields: CallFields<F>): void
  /** See rchan's tracepoint. */
  at(ns: bigint | number, ...fields: CallFields<F>): void
  /** Whether it is recorded now. Use it to skip making costly arguments. */
  readonly enabled: boolean
}
/** A span of a library: that of rchan, but for its schema. */
export type LibrarySpan<F extends StructTypes> = Omit<Span<F>, 'schema'>

type Kind = 'event' | 'span' | 'async' | 'flow' | 'counter'
/** What rchan makes of an entry. Only the methods of its kind are there. */
interface Made {
  (fields: unknown): void
  readonly enabled: boolean
  at: Call
  begin(id: unknown, fields?: unknown): number
  end: Call
  fail: Call
  run(fields: unknown, body: () => unknown): unknown
  using(fields: unknown): Disposable
  between(start: unknown, end: unknown, fields: unknown): void
  start: Call
  step: Call
}
/** The first argument is a token, an id or a time. */
type Call = (first: unknown, fields: unknown) => void

/** Where rchan's own object is, once rchan has come. */
interface Place {
  made: Made | undefined
}

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
function thisProcess(): Partial<NodeJS.Process> {
  // Without a process (in a browser) there is no rchan either.
  if (typeof process !== 'object' || process === null) return globalThis as object
  return process.getBuiltinModule?.('node:process') ?? process
}

/** Nothing here may throw into the library. Where no registry can be made, each is on its own. */
function registry(): Registry {
  const place = thisProcess() as unknown as Record<symbol, Registry | undefined>
  if (place[KEY] === undefined) Reflect.defineProperty(place, KEY, { value: { entries: [] } })
  return place[KEY] ?? { entries: [] }
}

/** Declares. @returns where rchan's own object will be. */
function declare(kind: Kind, name: string, fields: unknown = {}, options: unknown = {}): Place {
  const place: Place = { made: undefined }
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

/** Says, once for each schema, that a name has another one already. That is seldom meant. */
function sayIfTwo(entry: Entry, entries: readonly Entry[]): void {
  const schema = schemaOf(entry)
  const others = entries
    .slice(0, entries.indexOf(entry))
    .filter(({ name }) => name === entry.name)
    .map(schemaOf)
  if (others.length === 0 || others.includes(schema)) return
  thisProcess().emitWarning?.(
    `rchan: two different tracepoints are called ${entry.name}: ${others[0]} and ${schema}; ` +
      `both are recorded: two versions of a library may be loaded, or two libraries use one name`,
  )
}

function schemaOf({ kind, fields, options }: Entry): string {
  const { level = 'info' } = (options ?? {}) as SpanOptions
  try {
    return `${kind} ${JSON.stringify(fields)} ${level}`
  } catch {
    return `${kind} ${level} with fields that rchan refuses`
  }
}

/** Adds `enabled` to a function. */
function withEnabled<O extends object>(face: O, place: Place): O {
  return Object.defineProperty(face, 'enabled', { get: () => place.made?.enabled === true })
}

/**
 * The calls of what is no function. Its getter is the prototype's: as a property of each object's
 * own it would make V8 keep all but the first object as dictionaries, whose calls cost 10 ns more.
 */
class Face {
  readonly #place: Place

  constructor(calls: object, place: Place) {
    this.#place = place
    Object.assign(this, calls)
  }

  get enabled(): boolean {
    return this.#place.made?.enabled === true
  }
}

const NOTHING = {
  [Symbol.dispose]() {
    // Nothing was begun.
  },
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
export function tracepoint<const F extends FieldTypes = NoFields>(
  name: string,
  fields?: F,
  options?: TracepointOptions,
): LibraryTracepoint<F> {
  const place = declare('event', name, fields, options)
  const face = (given: unknown): void => {
    if (place.made !== undefined) place.made(given)
  }
  const at: Call = (ns, given) => {
    if (place.made !== undefined) place.made.at(ns, given)
  }
  return withEnabled(Object.assign(face, { at }), place) as unknown as LibraryTracepoint<F>
}

/** Declares a span of a library. See `span` of rchan. While there is no rchan, `run` runs. */
export function span<const F extends StructTypes = NoFields>(
  name: string,
  fields?: F,
  options?: SpanOptions,
): LibrarySpan<F> {
  const place = declare('span', name, fields, options)
  const face = {
    begin: (given?: unknown) => (place.made === undefined ? 0 : place.made.begin(given)),
    end(token: unknown, given?: unknown) {
      if (place.made !== undefined) place.made.end(token, given)
    },
    fail(token: unknown, given?: unknown) {
      if (place.made !== undefined) place.made.fail(token, given)
    },
    run: (given: unknown, body = given as () => unknown) =>
      place.made === undefined ? body() : place.made.run(given, body),
    using: (given?: unknown) => (place.made === undefined ? NOTHING : place.made.using(given)),
    between(start: unknown, end: unknown, given: unknown) {
      if (place.made !== undefined) place.made.between(start, end, given)
    },
  }
  return new Face(face, place) as unknown as LibrarySpan<F>
}

/** Declares an asynchronous span of a library. See `asyncSpan` of rchan. */
export function asyncSpan<const B extends StructTypes = NoFields, const E extends StructTypes = NoFields>(
  name: string,
  fields?: AsyncSpanFields<B, E>,
  options?: KindOptions,
): AsyncSpan<B, E> {
  const place = declare('async', name, fields, options)
  const face = {
    begin(id: unknown, given: unknown) {
      if (place.made !== undefined) place.made.begin(id, given)
    },
    end(id: unknown, given: unknown) {
      if (place.made !== undefined) place.made.end(id, given)
    },
    fail(id: unknown, given: unknown) {
      if (place.made !== undefined) place.made.fail(id, given)
    },
  }
  return new Face(face, place) as unknown as AsyncSpan<B, E>
}

/** Declares a flow of a library. See `flow` of rchan. */
export function flow<const F extends StructTypes = NoFields>(
  name: string,
  fields?: F,
  options?: KindOptions,
): Flow<F> {
  const place = declare('flow', name, fields, options)
  const face = {
    start(id: unknown, given: unknown) {
      if (place.made !== undefined) place.made.start(id, given)
    },
    step(id: unknown, given: unknown) {
      if (place.made !== undefined) place.made.step(id, given)
    },
    end(id: unknown, given: unknown) {
      if (place.made !== undefined) place.made.end(id, given)
    },
  }
  return new Face(face, place) as unknown as Flow<F>
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
