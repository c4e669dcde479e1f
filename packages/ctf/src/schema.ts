/**
 * The schema of an event: its name, and the fields of its records.
 *
 * This file owns the rules for names, and the text form of a schema. The tracepoint table holds
 * that text, and so passes a schema from thread to thread. Pure functions, callable on any thread.
 */
import { FIELD_TYPES, type FieldType } from './field-types.js'

/** One field of an event. */
export interface Field {
  readonly name: string
  readonly type: FieldType
}

/**
 * The name and the fields of an event. The fields are in the order in which a record stores them.
 */
export interface Schema {
  readonly name: string
  readonly fields: readonly Field[]
}

/** An event of a trace: a schema, and the id that its records carry. */
export interface EventClass extends Schema {
  readonly id: number
}

/** The maximum number of fields of one event. */
export const MAX_FIELDS = 64
/** The maximum length of the name of an event or a field, in characters. */
export const MAX_NAME_LENGTH = 200

const EVENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:[:./-][A-Za-z0-9_]+)*$/
const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The names of all field types, for messages and tests. */
export const FIELD_TYPE_NAMES: readonly FieldType[] = Object.freeze(Object.keys(FIELD_TYPES) as FieldType[])

/**
 * Checks a schema that comes from a caller.
 *
 * @returns the schema, with its fields as a list. It is frozen throughout, because encoders are
 * compiled from it later.
 * @throws TypeError with the bad value, its place, and the values that are allowed there.
 * @example
 * makeSchema('tile:done', { id: 'u32', ms: 'f64' })
 */
export function makeSchema(name: string, fields: Readonly<Record<string, FieldType>>): Schema {
  if (typeof name !== 'string' || name.length > MAX_NAME_LENGTH || !EVENT_NAME.test(name)) {
    throw new TypeError(
      `tracepoint name=${show(name)}: a name is letters, digits and _, in parts joined by one of : . / - ` +
        `(for example 'tile:done'), at most ${MAX_NAME_LENGTH} characters, not starting with a digit`,
    )
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new TypeError(
      `tracepoint ${name}: fields=${show(fields)} is not an object like { id: 'u32', path: 'string' }`,
    )
  }
  const names = Object.keys(fields)
  const list: Field[] = []
  for (let index = 0; index < names.length; index += 1) {
    list[index] = Object.freeze({ name: names[index], type: fields[names[index]] })
  }
  const wrong = whatIsWrongWith(list)
  if (wrong !== undefined) throw new TypeError(`tracepoint ${name}: ${wrong}`)
  return Object.freeze({ name, fields: Object.freeze(list) })
}

/** Returns the text form of a schema, for the tracepoint table. Equal schemas have equal texts. */
export function schemaText(schema: Schema): string {
  // JSON, made by hand: if a program adds a `toJSON` to arrays, JSON.stringify would write
  // something else.
  let text = `[${JSON.stringify(schema.name)}`
  for (let index = 0; index < schema.fields.length; index += 1) {
    const { name, type } = schema.fields[index]
    text += `,[${JSON.stringify(name)},${JSON.stringify(type)}]`
  }
  return `${text}]`
}

/**
 * Parses the text form. The text may come from another thread or a file, so it is untrusted.
 *
 * @returns the schema, or undefined if the text is not a schema.
 */
export function parseSchema(text: string): Schema | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(value)) return undefined
  const [name, ...pairs] = value as unknown[]
  if (typeof name !== 'string' || name.length > MAX_NAME_LENGTH || !EVENT_NAME.test(name)) return undefined
  const fields: Field[] = []
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined
    fields.push({ name: pair[0] as string, type: pair[1] as FieldType })
  }
  return whatIsWrongWith(fields) === undefined ? { name, fields } : undefined
}

function whatIsWrongWith(fields: readonly Field[]): string | undefined {
  if (fields.length > MAX_FIELDS) return `${fields.length} fields, at most ${MAX_FIELDS} are possible`
  const seen: Record<string, true> = Object.create(null) as Record<string, true>
  for (let index = 0; index < fields.length; index += 1) {
    const { name, type } = fields[index]
    if (
      typeof name !== 'string' ||
      name.length > MAX_NAME_LENGTH ||
      !FIELD_NAME.test(name) ||
      name === '__proto__'
    ) {
      return (
        `field name=${show(name)}: a field name is letters, digits and _, at most ${MAX_NAME_LENGTH} ` +
        `characters, not starting with a digit, and not __proto__`
      )
    }
    if (typeof type !== 'string' || !Object.hasOwn(FIELD_TYPES, type)) {
      return `field ${name} has type=${show(type)}; the types are ${FIELD_TYPE_NAMES.join(', ')}`
    }
    if (seen[name]) return `field ${name} is there twice`
    // Trace readers remove one leading underscore. babeltrace2 then takes the two fields for one.
    const twin = name.startsWith('_') ? name.slice(1) : `_${name}`
    if (seen[twin]) return `fields ${twin} and ${name} differ only by a leading underscore`
    seen[name] = true
  }
  return undefined
}

function show(value: unknown): string {
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : typeof value === 'object' && value !== null
        ? // String() would call methods of the caller's object.
          Object.prototype.toString.call(value)
        : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

export type { FieldType }
