/**
 * How the records of an event class become items: as what their kind means, and with the user's own
 * fields only. Synchronous, on any thread.
 */
import type { DecodedValue } from './field-readers.js'
import type { FlowItem, SpanItem, TraceItem, TraceThread } from './items.js'
import { SYSTEM_FIELDS, type EventClass, type Kind } from './schema.js'
import type { TraceRecord } from './trace-record.js'
import type { Field } from './types.js'

type Fields = TraceRecord['fields']

/**
 * Makes an item of a record.
 *
 * @param fields the user's own.
 * @param system the values of the fields of the kind, in their order: see `SYSTEM_FIELDS`.
 */
export type MakeItem = (
  time: bigint,
  thread: TraceThread,
  fields: Fields,
  ...system: DecodedValue[]
) => TraceItem

/** How the records of a class become items. */
export interface ItemForm {
  readonly make: MakeItem
  /** The fields of the kind, which come first in a record. */
  readonly system: readonly Field[]
  /** The user's own. */
  readonly own: readonly Field[]
}

/** Returns how the records of a class become items. Their types were checked: see `schema`. */
export function itemForm(whole: EventClass): ItemForm {
  const { kind = 'event' } = whole
  const system = SYSTEM_FIELDS[kind]
  const event = kind === 'event' ? whole : userClass(kind, whole)
  return { make: makerOf(kind, event), system, own: event.fields }
}

function makerOf(kind: Kind, event: EventClass): MakeItem {
  const name = baseName(event.name)
  switch (kind) {
    case 'event':
      return (time, thread, fields) => ({ type: 'event', time, at: time, thread, event, fields })
    case 'late-event':
      return (time, thread, fields, at) => {
        return { type: 'event', time, at: at as bigint, thread, event, fields }
      }
    case 'span':
      return (time, thread, fields, from, duration, how) => {
        const start = from as bigint
        const end = start + (duration as bigint)
        return { type: 'span', time, start, end, outcome: how as SpanItem['outcome'], thread, event, fields }
      }
    case 'async-begin':
      return (time, thread, fields, id) => {
        return { type: 'async', phase: 'begin', time, name, id: id as bigint, thread, event, fields }
      }
    case 'async-end':
      return (time, thread, fields, of, how) => {
        const id = of as bigint
        const outcome = how as 'ok' | 'failed'
        return { type: 'async', phase: 'end', time, name, id, outcome, thread, event, fields }
      }
    case 'flow':
      return (time, thread, fields, id, phase) => {
        const at = phase as FlowItem['phase']
        return { type: 'flow', phase: at, time, id: id as bigint, thread, event, fields }
      }
    default:
      return (time, thread, fields) => ({ type: 'counter', time, thread, event, fields })
  }
}

/**
 * Makes an item of all fields of a record.
 *
 * @param context what a trace by others says beside them.
 */
export type ItemMaker = (
  time: bigint,
  thread: TraceThread,
  all: Fields,
  context: Fields | undefined,
) => TraceItem

/** Returns what makes the items of a class, of records that were decoded before. */
export function itemMaker(whole: EventClass): ItemMaker {
  const { make, system, own } = itemForm(whole)
  if (whole.kind === undefined || whole.kind === 'event') {
    return (time, thread, fields, context) => {
      if (context === undefined) return make(time, thread, fields)
      return { type: 'event', time, at: time, thread, event: whole, fields, context }
    }
  }
  return (time, thread, all) => {
    // Not a copy of which some are deleted: V8 makes a slow dictionary of that.
    const fields: Fields = {}
    for (const { name } of own) {
      const value = all[name]
      // An optional that isn't there is left out, unless all objects have a member of its name.
      if (value !== undefined || name in fields) fields[name] = value
    }
    return make(time, thread, fields, ...system.map(({ name }) => all[name]))
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
