/**
 * The types of fields as data: a word, or an object for a type that has parameters or options. A
 * schema holds them, and passes them from thread to thread as text.
 *
 * This file owns that form, what is allowed in it, and the builder `t` that makes it. How fields of
 * a type are stored is in `field-types.ts` and `composite-types.ts`. Pure functions, any thread.
 */

/** The type of the values that fields of each one-word type take. */
export interface FieldTypeValues {
  u8: number
  u16: number
  u32: number
  u64: bigint | number
  i8: number
  i16: number
  i32: number
  i64: bigint | number
  f32: number
  f64: number
  bool: boolean
  string: string
  interned: string
  bytes: Uint8Array
}

/** A type that needs no parameters. */
export type FieldTypeName = keyof FieldTypeValues
/** The types of which arrays and sequences can be made. */
export type NumberTypeName = Exclude<FieldTypeName, 'bool' | 'string' | 'interned' | 'bytes'>

/** What readers can know of a field beyond its value. */
export interface TypeOptions {
  /** The unit of a number, for example `ms` or `bytes`. */
  readonly unit?: string
  /** The base in which readers show a whole number. */
  readonly base?: 2 | 8 | 10 | 16
  /** One sentence. */
  readonly description?: string
}

/** A type with parameters or options. Make it with {@link t}. */
export type FieldTypeNode = TypeOptions &
  (
    | { readonly type: FieldTypeName; readonly max?: number }
    | { readonly type: 'enum'; readonly labels: readonly string[] }
    | { readonly type: 'seq'; readonly of: NumberTypeName; readonly max: number }
    | { readonly type: 'array'; readonly of: NumberTypeName; readonly length: number }
    | { readonly type: 'struct'; readonly fields: readonly Field[] }
    | { readonly type: 'optional'; readonly of: FieldType }
  )

/**
 * The type of a field: a word, or what the builder `t` makes. `u8`…`u32`, `i8`…`i32`, `f32`, `f64`
 * take a number; `u64`, `i64` a bigint or a safe integer; `bool` a boolean; `string` a string,
 * written as UTF-8; `interned` a string that repeats; `bytes` a Uint8Array.
 */
export type FieldType = FieldTypeName | FieldTypeNode

/** One field of an event. */
export interface Field {
  readonly name: string
  readonly type: FieldType
}

/** A type whose values are known to the compiler. No such property exists. */
export type Typed<V> = FieldTypeNode & { readonly '~value'?: { readonly of: V } }

/** The value that a field of a type takes. */
export type ValueOf<T extends FieldType> = T extends FieldTypeName
  ? FieldTypeValues[T]
  : T extends { readonly '~value'?: { readonly of: infer V } }
    ? V
    : never

/** Numbers, as a list or a typed array. */
export type Numbers<T extends NumberTypeName> = ArrayLike<FieldTypeValues[T]>

/** The maximum number of fields of one event or struct. */
export const MAX_FIELDS = 64
/** The maximum length of the name of an event, a field or a label, in characters. */
export const MAX_NAME_LENGTH = 200
/** The maximum number of labels of an enumeration. */
const MAX_LABELS = 1024
/** The maximum number of elements of an array or a sequence, and of bytes. */
export const MAX_ELEMENTS = 65_536
/** The elements of a sequence for which no maximum is given. */
const DEFAULT_MAX_ELEMENTS = 1024
/** The bytes of a `bytes` field for which no maximum is given. */
export const DEFAULT_MAX_BYTES = 4096
/** How deep types can be nested. */
const MAX_DEPTH = 4
const MAX_TEXT_LENGTH = 1000

const NUMBERS: Readonly<Record<NumberTypeName, true>> = {
  u8: true, u16: true, u32: true, u64: true, i8: true, i16: true, i32: true, i64: true, f32: true, f64: true,
} // prettier-ignore
const WORDS: Readonly<Record<FieldTypeName, true>> = {
  ...NUMBERS,
  bool: true,
  string: true,
  interned: true,
  bytes: true,
}

/** The one-word types, for messages and tests. */
export const FIELD_TYPE_NAMES: readonly FieldTypeName[] = Object.freeze(Object.keys(WORDS) as FieldTypeName[])
const NUMBER_TYPE_NAMES = Object.freeze(Object.keys(NUMBERS))
const OTHERS = 'and those of t: t.enum(…), t.seq(…), t.array(…), t.struct(…), t.optional(…)'

/** Half of a pair of surrogates. (As `\p{Cs}` it takes a worker long to make.) */
const HALF_CHARACTER = /[\ud800-\udfff]/u
const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Says why a type is none. It is caught by whoever knows where the type stands. */
export class BadType extends TypeError {}

/**
 * Checks a type, and copies it. The copy is frozen throughout, because encoders are compiled from
 * it later. A type with nothing but its word becomes that word.
 *
 * @param value from a caller, or from the text of another thread.
 * @throws BadType with the bad value and the values that are allowed there.
 */
function checkedType(value: unknown, depth = 0): FieldType {
  if (typeof value === 'string') {
    if (!Object.hasOwn(WORDS, value)) throw unknown(value)
    return value as FieldTypeName
  }
  if (typeof value !== 'object' || value === null) throw unknown(value)
  if (depth > MAX_DEPTH) throw new BadType(`types are nested more than ${MAX_DEPTH} deep`)
  const node = value as Record<string, unknown>
  const { type } = node
  if (typeof type !== 'string') throw unknown(value)
  const copy: Record<string, unknown> = { type }
  switch (type) {
    case 'enum':
      copy.labels = checkedLabels(node.labels)
      break
    case 'seq':
      copy.of = checkedNumber(type, node.of)
      copy.max = checkedCount(type, 'max', node.max ?? DEFAULT_MAX_ELEMENTS)
      break
    case 'array':
      copy.of = checkedNumber(type, node.of)
      copy.length = checkedCount(type, 'length', node.length)
      break
    case 'struct':
      copy.fields = checkedFields(node.fields, depth + 1)
      break
    case 'optional':
      copy.of = checkedType(node.of, depth + 1)
      if (typeof copy.of === 'object' && (copy.of as FieldTypeNode).type === 'optional') {
        throw new BadType("an optional of an optional can't be told from an optional")
      }
      break
    default:
      if (!Object.hasOwn(WORDS, type)) throw unknown(value)
      if (node.max !== undefined) {
        if (type !== 'string' && type !== 'bytes') throw new BadType(`type ${type} has no max`)
        copy.max = checkedCount(type, 'max', node.max)
      }
  }
  checkOptions(type, node, copy)
  const names = Object.keys(node)
  for (let index = 0; index < names.length; index += 1) {
    if (!Object.hasOwn(copy, names[index]) && node[names[index]] !== undefined) {
      throw new BadType(`type ${type} has no option ${names[index]}`)
    }
  }
  const isBare = Object.keys(copy).length === 1
  return isBare ? (type as FieldTypeName) : (Object.freeze(copy) as unknown as FieldTypeNode)
}

/**
 * Checks a list of fields: their names, and their types. Fields are pairs of name and type.
 *
 * @throws BadType
 */
export function checkedFields(value: unknown, depth = 0): readonly Field[] {
  if (!Array.isArray(value)) throw new BadType(`fields=${shownValue(value)} is not a list`)
  const given = value as unknown[]
  if (given.length > MAX_FIELDS)
    throw new BadType(`${given.length} fields, at most ${MAX_FIELDS} are possible`)
  const fields: Field[] = []
  const seen: Record<string, true> = Object.create(null) as Record<string, true>
  for (let index = 0; index < given.length; index += 1) {
    const pair = given[index] as { 0?: unknown; 1?: unknown; name?: unknown; type?: unknown } | null
    const isPair = Array.isArray(pair)
    const name = isPair ? pair[0] : pair?.name
    const given1 = isPair ? pair[1] : pair?.type
    if (
      typeof name !== 'string' ||
      name.length > MAX_NAME_LENGTH ||
      !FIELD_NAME.test(name) ||
      name === '__proto__'
    ) {
      throw new BadType(
        `field name=${shownValue(name)}: a field name is letters, digits and _, at most ${MAX_NAME_LENGTH} ` +
          `characters, not starting with a digit, and not __proto__`,
      )
    }
    let type: FieldType
    try {
      type = checkedType(given1, depth)
    } catch (error) {
      if (error instanceof BadType) throw new BadType(`field ${name} has ${error.message}`)
      throw error
    }
    if (seen[name]) throw new BadType(`field ${name} is there twice`)
    // Trace readers remove one leading underscore. babeltrace2 then takes the two fields for one.
    const twin = name.startsWith('_') ? name.slice(1) : `_${name}`
    if (seen[twin]) throw new BadType(`fields ${twin} and ${name} differ only by a leading underscore`)
    seen[name] = true
    fields[index] = Object.freeze({ name, type })
  }
  for (let index = 0; index < fields.length; index += 1) {
    const { name, type } = fields[index]
    const names = helperNames(name, type)
    for (let i = 0; i < names.length; i += 1) {
      if (seen[names[i]]) {
        throw new BadType(`field ${names[i]} is there, but field ${name} needs that name in the trace`)
      }
    }
  }
  return Object.freeze(fields)
}

/**
 * Returns the names of the fields that the trace has beside a field, for its length or presence.
 */
function helperNames(name: string, type: FieldType): readonly string[] {
  const kind = typeof type === 'string' ? type : type.type
  if (kind === 'seq' || kind === 'bytes') return [`${name}_total`, `${name}_length`]
  return kind === 'optional' ? [`${name}_is`] : []
}

/** Returns a type as text. Equal types have equal texts. It is JSON. */
export function typeText(type: FieldType): string {
  // Made by hand: if a program adds a `toJSON` to arrays, JSON.stringify would write something
  // else.
  if (typeof type === 'string') return JSON.stringify(type)
  let text = `{"type":${JSON.stringify(type.type)}`
  if (type.type === 'enum') {
    text += ',"labels":['
    for (let index = 0; index < type.labels.length; index += 1) {
      text += `${index === 0 ? '' : ','}${JSON.stringify(type.labels[index])}`
    }
    text += ']'
  } else if (type.type === 'struct') {
    text += ',"fields":['
    for (let index = 0; index < type.fields.length; index += 1) {
      text += `${index === 0 ? '' : ','}${fieldText(type.fields[index])}`
    }
    text += ']'
  } else if (type.type === 'optional') text += `,"of":${typeText(type.of)}`
  else if (type.type === 'array') text += `,"of":${JSON.stringify(type.of)},"length":${type.length}`
  else if (type.type === 'seq') text += `,"of":${JSON.stringify(type.of)},"max":${type.max}`
  else if (type.max !== undefined) text += `,"max":${type.max}`
  if (type.unit !== undefined) text += `,"unit":${JSON.stringify(type.unit)}`
  if (type.base !== undefined) text += `,"base":${type.base}`
  if (type.description !== undefined) text += `,"description":${JSON.stringify(type.description)}`
  return `${text}}`
}

/** Returns a field as text: a pair of name and type, in JSON. */
export function fieldText({ name, type }: Field): string {
  return `[${JSON.stringify(name)},${typeText(type)}]`
}

/** Returns a type in words, for messages: `seq(f32)`. */
export function typeWords(type: FieldType): string {
  if (typeof type === 'string') return type
  if (type.type === 'optional') return `optional(${typeWords(type.of)})`
  if (type.type === 'array' || type.type === 'seq') return `${type.type}(${type.of})`
  if (type.type !== 'enum') return type.type
  let labels = ''
  for (let index = 0; index < type.labels.length && index < 8; index += 1) {
    labels += `${index === 0 ? '' : ', '}'${type.labels[index]}'`
  }
  return `enum(${labels}${type.labels.length > 8 ? ', …' : ''})`
}

/** Returns a value of unknown type, for messages. Calls no method of the caller's object. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return String(value)
}

function unknown(value: unknown): BadType {
  const shown = shownValue(
    typeof value === 'object' && value !== null && typeof (value as FieldTypeNode).type === 'string'
      ? (value as FieldTypeNode).type
      : value,
  )
  let names = ''
  for (let index = 0; index < FIELD_TYPE_NAMES.length; index += 1) names += `${FIELD_TYPE_NAMES[index]}, `
  return new BadType(`type=${shown}; the types are ${names}${OTHERS}`)
}

function checkedLabels(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_LABELS) {
    throw new BadType(`an enum with labels=${shownValue(value)}: give 1 to ${MAX_LABELS} labels`)
  }
  const labels: string[] = []
  const seen: Record<string, true> = Object.create(null) as Record<string, true>
  for (let index = 0; index < value.length; index += 1) {
    const label = (value as unknown[])[index]
    if (typeof label !== 'string' || label === '' || label.length > MAX_NAME_LENGTH || label.includes('\0')) {
      throw new BadType(
        `an enum with label=${shownValue(label)}: a label is a text of 1 to ${MAX_NAME_LENGTH} characters without NUL`,
      )
    }
    if (HALF_CHARACTER.test(label)) {
      throw new BadType(`an enum with label=${shownValue(label)}, which has half a character`)
    }
    if (seen[label]) throw new BadType(`an enum with label=${shownValue(label)} twice`)
    seen[label] = true
    labels[index] = label
  }
  return Object.freeze(labels)
}

function checkedNumber(type: string, of: unknown): string {
  if (typeof of !== 'string' || !Object.hasOwn(NUMBERS, of)) {
    let names = ''
    for (let index = 0; index < NUMBER_TYPE_NAMES.length; index += 1) {
      names += `${index === 0 ? '' : ', '}${NUMBER_TYPE_NAMES[index]}`
    }
    throw new BadType(`type ${type} of=${shownValue(of)}; it can be of ${names}`)
  }
  return of
}

function checkedCount(type: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_ELEMENTS) {
    throw new BadType(
      `type ${type} with ${name}=${shownValue(value)}: give a whole number from 1 to ${MAX_ELEMENTS}`,
    )
  }
  return value
}

function checkOptions(type: string, from: Record<string, unknown>, to: Record<string, unknown>): void {
  const { unit, base, description } = from
  if (unit !== undefined) to.unit = checkedText(type, 'unit', unit)
  if (base !== undefined) {
    if (base !== 2 && base !== 8 && base !== 10 && base !== 16) {
      throw new BadType(`type ${type} with base=${shownValue(base)}: give 2, 8, 10 or 16`)
    }
    if (!/^[ui]\d/.test(type))
      throw new BadType(`type ${type} with base=${base}: only whole numbers have one`)
    to.base = base
  }
  if (description !== undefined) to.description = checkedText(type, 'description', description)
}

function checkedText(type: string, name: string, value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_TEXT_LENGTH || value.includes('\0')) {
    throw new BadType(
      `type ${type} with ${name}=${shownValue(value)}: give a text of at most ${MAX_TEXT_LENGTH} characters without NUL`,
    )
  }
  return value
}

/** What {@link t} takes for the fields of a struct. */
export type StructTypes = Readonly<Record<string, FieldType>>
/** The values of fields, by name. An optional field may be missing. */
export type FieldValuesOf<F extends StructTypes> = {
  readonly [K in keyof F as F[K] extends { readonly type: 'optional' } ? never : K]: ValueOf<F[K]>
} & {
  readonly [K in keyof F as F[K] extends { readonly type: 'optional' } ? K : never]?:
    ValueOf<F[K]> | null | undefined
}

/** A type of one word, with options. */
export type WordType<T extends FieldTypeName> = { readonly type: T } & Typed<FieldTypeValues[T]>

/**
 * Makes the types of fields that have parameters or options. Any thread.
 *
 * @example
 * tracepoint('cache:get', {
 *   result: t.enum('hit', 'miss'),
 *   bytes: t.u32({ unit: 'bytes' }),
 *   samples: t.seq('f32', { max: 100 }),
 *   error: t.optional('string'),
 * })
 */
export const t = Object.freeze({
  u8: word('u8'),
  u16: word('u16'),
  u32: word('u32'),
  u64: word('u64'),
  i8: word('i8'),
  i16: word('i16'),
  i32: word('i32'),
  i64: word('i64'),
  f32: word('f32'),
  f64: word('f64'),
  bool: word('bool'),
  interned: word('interned'),
  /** A text. `max`: bytes of its UTF-8; a longer one is cut, ends in `…`, and is counted. */
  string: (options?: TypeOptions & { readonly max?: number }): WordType<'string'> =>
    made<WordType<'string'>>({ ...options, type: 'string' }),
  /** Bytes. `max`: how many at most, by default 4096; more are cut, and counted. */
  bytes: (options?: TypeOptions & { readonly max?: number }): WordType<'bytes'> =>
    made<WordType<'bytes'>>({ ...options, type: 'bytes' }),
  /** One of a few texts, stored as a number. */
  enum: <const L extends readonly string[]>(...labels: L): { readonly type: 'enum' } & Typed<L[number]> =>
    made<{ readonly type: 'enum' } & Typed<L[number]>>({ type: 'enum', labels }),
  /** Numbers, as many as there are. `max`: by default 1024; more are cut, and counted. */
  seq: <T extends NumberTypeName>(
    of: T,
    options?: TypeOptions & { readonly max?: number },
  ): { readonly type: 'seq' } & Typed<Numbers<T>> =>
    made<{ readonly type: 'seq' } & Typed<Numbers<T>>>({ ...options, type: 'seq', of }),
  /** Exactly `length` numbers. */
  array: <T extends NumberTypeName>(
    of: T,
    length: number,
    options?: TypeOptions,
  ): { readonly type: 'array' } & Typed<Numbers<T>> =>
    made<{ readonly type: 'array' } & Typed<Numbers<T>>>({ ...options, type: 'array', of, length }),
  /** Fields in a field. */
  struct: <const F extends StructTypes>(fields: F): { readonly type: 'struct' } & Typed<FieldValuesOf<F>> =>
    made<{ readonly type: 'struct' } & Typed<FieldValuesOf<F>>>({ type: 'struct', fields: pairs(fields) }),
  /** A field that may be missing: undefined or null. */
  optional: <const T extends FieldType>(of: T): { readonly type: 'optional' } & Typed<ValueOf<T>> =>
    made<{ readonly type: 'optional' } & Typed<ValueOf<T>>>({ type: 'optional', of }),
})

function word<T extends FieldTypeName>(type: T): (options?: TypeOptions) => WordType<T> {
  return (options) => made<WordType<T>>({ ...options, type })
}

/** Returns the fields of an object as pairs. @throws BadType if it is none. */
export function pairs(fields: StructTypes): [string, FieldType][] {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new BadType(`fields=${shownValue(fields)} is not an object like { id: 'u32', path: 'string' }`)
  }
  const names = Object.keys(fields)
  const list: [string, FieldType][] = []
  for (let index = 0; index < names.length; index += 1) list[index] = [names[index], fields[names[index]]]
  return list
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the type
function made<T extends FieldTypeNode>(node: object): T {
  const type = checkedType(node)
  return (typeof type === 'string' ? Object.freeze({ type }) : type) as T
}
