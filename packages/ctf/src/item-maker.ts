/**
 * How the records of an event class become items: as what their kind means, and with the user's own
 * fields only. Synchronous, on any thread.
 */
import type { TraceItem, TraceThread } from './items.js'
import { SYSTEM_FIELDS, type EventClass, type Kind } from './schema.js'
import type { TraceRecord } from './trace-record.js'

type Fields = TraceRecord['fields']

/**
 * Turns a record into an item. The types of its fields were checked: see `schema`.
 *
 * @param all its fields, with those of its kind.
 * @param context what a trace by others says beside them.
 */
export type ItemMaker = (
  time: bigint,
  thread: TraceThread,
  all: Fields,
  context: Fields | undefined,
) => TraceItem

/** Copies the user's own fields. */
type OwnFields = (all: Fields) => Fields

/** Records of a class before the copying of its fields is compiled: many classes are rare. */
const COPIED_RECORDS = 100

/** Returns what makes the items of a class. */
export function itemMaker(whole: EventClass): ItemMaker {
  const { kind = 'event' } = whole
  if (kind === 'event') {
    return (time, thread, fields, context) => {
      if (context !== undefined)
        return { type: 'event', time, at: time, thread, event: whole, fields, context }
      return { type: 'event', time, at: time, thread, event: whole, fields }
    }
  }
  const event = userClass(kind, whole)
  const fieldsOf = ownFields(event)
  const name = baseName(event.name)
  switch (kind) {
    case 'late-event':
      return (time, thread, all) => {
        return { type: 'event', time, at: all.at as bigint, thread, event, fields: fieldsOf(all) }
      }
    case 'span':
      return (time, thread, all) => {
        const fields = fieldsOf(all)
        const start = all.start as bigint
        const end = start + (all.duration as bigint)
        const outcome = all.outcome as 'ok' | 'failed'
        return { type: 'span', time, start, end, outcome, thread, event, fields }
      }
    case 'async-begin':
      return (time, thread, all) => {
        const fields = fieldsOf(all)
        return { type: 'async', phase: 'begin', time, name, id: all.id as bigint, thread, event, fields }
      }
    case 'async-end':
      return (time, thread, all) => {
        const fields = fieldsOf(all)
        const outcome = all.outcome as 'ok' | 'failed'
        return {
          type: 'async',
          phase: 'end',
          time,
          name,
          id: all.id as bigint,
          outcome,
          thread,
          event,
          fields,
        }
      }
    case 'flow':
      return (time, thread, all) => {
        const fields = fieldsOf(all)
        const phase = all.phase as 'start' | 'step' | 'end'
        return { type: 'flow', phase, time, id: all.id as bigint, thread, event, fields }
      }
    default:
      return (time, thread, all) => ({ type: 'counter', time, thread, event, fields: fieldsOf(all) })
  }
}

/**
 * Returns what copies the own fields of a class's records. A field that isn't there is left out.
 */
function ownFields({ name, id, fields }: EventClass): OwnFields {
  const isWhole = fields.every(({ type }) => typeof type === 'string' || type.type !== 'optional')
  let compiled: OwnFields | undefined
  let left = isWhole ? COPIED_RECORDS : Infinity
  const source = (): string => {
    const members = fields.map((field) => JSON.stringify(field.name)).map((key) => `[${key}]: all[${key}]`)
    // The name makes the text the class's own, and with it what V8 learns of it.
    return `'use strict'; ${JSON.stringify(`${name} ${id}`)}; return (all) => ({ ${members.join(', ')} })`
  }
  return (all) => {
    if (compiled !== undefined) return compiled(all)
    left -= 1
    if (left === 0) compiled = compiledCopy(source())
    // Not a copy of which some are deleted: V8 makes a slow dictionary of that.
    const own: Fields = {}
    for (const field of fields) {
      const value = all[field.name]
      if (value !== undefined) own[field.name] = value
    }
    return own
  }
}

/** @returns undefined where the program forbids code from texts. */
function compiledCopy(source: string): OwnFields | undefined {
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- all names are quoted
    return (new Function(source) as () => OwnFields)()
  } catch {
    return undefined
  }
}

const userClasses = new WeakMap<EventClass, EventClass>()

/** The class as its user declared it: without the fields of its kind. */
export function userClass(kind: Kind, event: EventClass): EventClass {
  const known = userClasses.get(event)
  if (known !== undefined) return known
  const own = { ...event, fields: event.fields.slice(SYSTEM_FIELDS[kind].length) }
  userClasses.set(event, own)
  return own
}

/** The name of an asynchronous span, without what tells its begin from its end. */
export function baseName(name: string): string {
  return name.replace(/:(?:begin|end)$/, '')
}
