/**
 * The schema of an event: its name, and the fields of its records.
 *
 * This file owns the rules for names, and the text form of a schema. The tracepoint table holds
 * that text, and so passes a schema from thread to thread. Pure functions, callable on any thread.
 */
import {
  BadType,
  checkedFields,
  fieldText,
  MAX_NAME_LENGTH,
  pairs,
  shownValue,
  type Field,
  type StructTypes,
} from './types.js'

/**
 * What the records of a schema are. `event`: something happened. `late-event`: the same, learnt of
 * later. `span`: something took its time, on one thread. `async-begin`, `async-end`: something
 * began or ended that may be on several threads. `flow`: a point of a way from thread to thread.
 * `counter`: numbers over time.
 */
export type Kind = 'event' | 'late-event' | 'span' | 'async-begin' | 'async-end' | 'flow' | 'counter'

/** How important the records of a schema are. */
export type Level = 'critical' | 'error' | 'warning' | 'info' | 'debug'

/**
 * The name and the fields of an event. The fields are in the order in which a record stores them.
 */
export interface Schema {
  readonly name: string
  /** The fields of a record. First come those that its kind has, see {@link SYSTEM_FIELDS}. */
  readonly fields: readonly Field[]
  /** By default `event`. */
  readonly kind?: Kind
  /** By default `info`. */
  readonly level?: Level
}

/** An event of a trace: a schema, and the id that its records carry. */
export interface EventClass extends Schema {
  /** In a trace by others, ids of different streams may be the same. */
  readonly id: number
  /** `model.emf.uri`, in a trace by others. */
  readonly uri?: string
}

/** What {@link makeSchema} takes beside the fields. */
export interface SchemaOptions {
  readonly kind?: Kind
  readonly level?: Level
}

const OUTCOME: Field = { name: 'outcome', type: { type: 'enum', labels: ['ok', 'failed'] } }
const ID: Field = { name: 'id', type: 'u64' }

/**
 * The fields that records of a kind have in front of the user's. Times are ns of the trace's clock.
 */
export const SYSTEM_FIELDS: Readonly<Record<Kind, readonly Field[]>> = {
  event: [],
  'late-event': [{ name: 'at', type: 'u64' }],
  span: [{ name: 'start', type: 'u64' }, { name: 'duration', type: 'u64' }, OUTCOME],
  'async-begin': [ID],
  'async-end': [ID, OUTCOME],
  flow: [ID, { name: 'phase', type: { type: 'enum', labels: ['start', 'step', 'end'] } }],
  counter: [],
}

/** The levels, and their numbers in the metadata: those of LTTng and syslog. */
export const LEVELS: Readonly<Record<Level, number>> = {
  critical: 2,
  error: 3,
  warning: 4,
  info: 6,
  debug: 14,
}

/**
 * Returns the name of an event, without what tells the begin of an asynchronous span from its end.
 */
export function baseNameOf(kind: Kind, name: string): string {
  if (kind === 'async-begin') return name.slice(0, -':begin'.length)
  return kind === 'async-end' ? name.slice(0, -':end'.length) : name
}

const EVENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:[:./-][A-Za-z0-9_]+)*$/

/**
 * Checks a schema that comes from a caller.
 *
 * @param fields the user's fields. Those of the kind are put in front of them.
 * @returns the schema, with its fields as a list. It is frozen throughout, because encoders are
 * compiled from it later.
 * @throws TypeError with the bad value, its place, and the values that are allowed there.
 * @example
 * makeSchema('tile:done', { id: 'u32', ms: 'f64' })
 */
export function makeSchema(name: string, fields: StructTypes, options: SchemaOptions = {}): Schema {
  if (typeof name !== 'string' || name.length > MAX_NAME_LENGTH || !EVENT_NAME.test(name)) {
    throw new TypeError(
      `tracepoint name=${shownValue(name)}: a name is letters, digits and _, in parts joined by one of : . / - ` +
        `(for example 'tile:done'), at most ${MAX_NAME_LENGTH} characters, not starting with a digit`,
    )
  }
  try {
    const { kind, level } = checkedOptions(options)
    return withDefaults(name, kind, level, allFields(kind, checkedFields(pairs(fields))))
  } catch (error) {
    if (error instanceof BadType)
      throw new TypeError(`tracepoint ${name}: ${error.message}`, { cause: error })
    throw error
  }
}

/** Returns the text form of a schema, for the tracepoint table. Equal schemas have equal texts. */
export function schemaText(schema: Schema): string {
  // JSON, made by hand: if a program adds a `toJSON` to arrays, JSON.stringify would write
  // something else.
  const { kind = 'event', level = 'info', fields } = schema
  let text = `[${JSON.stringify(schema.name)}`
  if (kind !== 'event' || level !== 'info') text += `,{"kind":"${kind}","level":"${level}"}`
  for (let index = 0; index < fields.length; index += 1) text += `,${fieldText(fields[index])}`
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
  const [name, second, ...rest] = value as unknown[]
  const hasOptions = typeof second === 'object' && second !== null && !Array.isArray(second)
  return checkedSchema(name, hasOptions ? second : {}, hasOptions ? rest : (value as unknown[]).slice(1))
}

/**
 * Checks the parts of a schema that come from another thread or a file.
 *
 * @param fields pairs of name and type, with those of the kind.
 * @returns the schema, or undefined if they are none.
 */
export function checkedSchema(name: unknown, options: object, fields: unknown): Schema | undefined {
  if (typeof name !== 'string' || name.length > MAX_NAME_LENGTH || !EVENT_NAME.test(name)) return undefined
  try {
    const { kind, level } = checkedOptions(options)
    const list = checkedFields(fields)
    const system = SYSTEM_FIELDS[kind]
    for (let index = 0; index < system.length; index += 1) {
      const field: Field | undefined = list[index]
      if (field === undefined || fieldText(field) !== fieldText(system[index])) return undefined
    }
    return withDefaults(name, kind, level, list)
  } catch (error) {
    if (error instanceof BadType) return undefined
    throw error
  }
}

/** A schema without what is the default: so equal ones are equal for tests of equality, too. */
function withDefaults(name: string, kind: Kind, level: Level, fields: readonly Field[]): Schema {
  return Object.freeze({
    name,
    fields,
    ...(kind === 'event' ? {} : { kind }),
    ...(level === 'info' ? {} : { level }),
  })
}

function allFields(kind: Kind, fields: readonly Field[]): readonly Field[] {
  const system = SYSTEM_FIELDS[kind]
  const all: Field[] = []
  for (let index = 0; index < system.length; index += 1) {
    for (let i = 0; i < fields.length; i += 1) {
      if (fields[i].name === system[index].name || fields[i].name === `_${system[index].name}`) {
        throw new BadType(
          `field ${fields[i].name}: records of a ${kind} have a field ${system[index].name} of their own`,
        )
      }
    }
    all[index] = system[index]
  }
  for (let index = 0; index < fields.length; index += 1) all[all.length] = fields[index]
  return Object.freeze(all)
}

function checkedOptions(options: unknown): Required<SchemaOptions> {
  if (typeof options !== 'object' || options === null) {
    throw new BadType(`options=${shownValue(options)} is not an object like { level: 'debug' }`)
  }
  const { kind, level } = options as Record<string, unknown>
  const names = Object.keys(options)
  for (let index = 0; index < names.length; index += 1) {
    if (names[index] !== 'kind' && names[index] !== 'level') {
      throw new BadType(`unknown option ${names[index]}; there is level`)
    }
  }
  if (kind !== undefined && (typeof kind !== 'string' || !Object.hasOwn(SYSTEM_FIELDS, kind))) {
    throw new BadType(`kind=${shownValue(kind)}; the kinds are ${listed(Object.keys(SYSTEM_FIELDS))}`)
  }
  if (level !== undefined && (typeof level !== 'string' || !Object.hasOwn(LEVELS, level))) {
    throw new BadType(`level=${shownValue(level)}; the levels are ${listed(Object.keys(LEVELS))}`)
  }
  return { kind: (kind ?? 'event') as Kind, level: (level ?? 'info') as Level }
}

function listed(names: readonly string[]): string {
  let list = ''
  for (let index = 0; index < names.length; index += 1) list += `${index === 0 ? '' : ', '}${names[index]}`
  return list
}
