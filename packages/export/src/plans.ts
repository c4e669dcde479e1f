/**
 * How the items of each event class are written to Perfetto, and what must be interned for it. The
 * numbers of interned texts are the same in all sequences.
 */
import { SYSTEM_FIELDS } from '@rchan/ctf'
import type { EventClass, Field } from '@rchan/ctf/reader'
import { fieldsWriter, Interned, planFields, type WriteFields } from './annotations.js'
import { bytesOf, TRACK_EVENT, TYPE } from './messages.js'

/** How the items of an event class are written. */
export interface Plan {
  /** From 0, among the plans of a trace. */
  readonly number: number
  readonly nameIid: number
  readonly name: string
  readonly categoryIids: readonly number[]
  readonly writeFields: WriteFields
  /** The fields of a track event that are always the same, for the begin of a slice. */
  readonly beginBytes: Uint8Array
  /** The same for an instant. */
  readonly instantBytes: Uint8Array
  /** All names of annotations that can be written. */
  readonly annotationIids: readonly number[]
}

/** Ids below are looked up in a list. */
const MOST_LATEST = 4096

/** Makes the plans of a trace. */
export class Plans {
  readonly names = new Interned()
  readonly categories = new Interned()
  readonly annotations = new Interned()
  /** The categories of spans that failed and of those that were cut. */
  readonly failed = this.categories.iid('failed')
  readonly cut = this.categories.iid('cut')
  /** Annotations of our own. A field can't have these names, because of the dot. */
  readonly outcomeIid = this.annotations.iid('rchan.outcome')
  readonly cutIid = this.annotations.iid('rchan.cut')
  readonly #plans = new Map<EventClass, Plan>()
  #count = 0
  /** The plan that an id had last, and its class. */
  readonly #latest: { readonly event: EventClass; readonly plan: Plan }[] = []

  /** @param name of the slices; by default that of the event. */
  of(event: EventClass, name = event.name): Plan {
    const { id } = event
    const latest = id < MOST_LATEST ? this.#latest[id] : undefined
    if (latest?.event === event) return latest.plan
    let plan = this.#plans.get(event)
    if (plan === undefined) {
      const { level = 'info' } = event
      const categories = [groupOf(name), ...(level === 'info' ? [] : [level])]
      plan = this.make(name, categories, userFields(event))
      this.#plans.set(event, plan)
    }
    if (id < MOST_LATEST) this.#latest[id] = { event, plan }
    return plan
  }

  make(name: string, categories: readonly string[], fields: readonly Field[]): Plan {
    const iids = new Set<number>()
    const nameIid = this.names.iid(name)
    const categoryIids = categories.map((category) => this.categories.iid(category))
    const bytesFor = (type: number): Uint8Array =>
      bytesOf((pbf) => {
        pbf.writeVarintField(TRACK_EVENT.type, type)
        pbf.writeVarintField(TRACK_EVENT.nameIid, nameIid)
        for (const iid of categoryIids) pbf.writeVarintField(TRACK_EVENT.categoryIids, iid)
      })
    this.#count += 1
    return {
      number: this.#count - 1,
      name,
      nameIid,
      categoryIids,
      beginBytes: bytesFor(TYPE.begin),
      instantBytes: bytesFor(TYPE.instant),
      writeFields: fieldsWriter(name, planFields(fields, this.annotations, iids)),
      annotationIids: [...iids],
    }
  }
}

/** The fields of an event's items: those of its records without those of its kind. */
export function userFields({ kind = 'event', fields }: EventClass): readonly Field[] {
  const system = new Set(SYSTEM_FIELDS[kind].map(({ name }) => name))
  return fields.filter(({ name }) => !system.has(name))
}

/** The part of an event's name before the first `:`, which is its category. */
export function groupOf(name: string): string {
  const colon = name.indexOf(':')
  return colon > 0 ? name.slice(0, colon) : name
}
