/** Names and fields as a page shows them. */
import type { DecodedValue, ItemFields } from '@rchan/ctf/reader'

const LONGEST_VALUE = 100
const MOST_FIELDS = 20
/** What the program itself has named. */
const NAMED_BY_FIELD = /^user:/

/** A task is shown under its name, and what the program has named itself under that name. */
export function shownName(event: string, { name }: ItemFields): string {
  const hasOwn = event === 'task:run' || NAMED_BY_FIELD.test(event)
  return hasOwn && typeof name === 'string' && name !== '' ? name : event
}

/** Fields as they are shown: one a line. */
export function fieldsText(fields: ItemFields): string {
  const all = Object.entries(fields)
  const lines = all.slice(0, MOST_FIELDS).map(([name, value]) => `${name}: ${valueText(value)}`)
  if (all.length > MOST_FIELDS) lines.push(`… and ${all.length - MOST_FIELDS} more`)
  return lines.join('\n')
}

function valueText(value: DecodedValue): string {
  const text = typeof value === 'object' ? JSON.stringify(value, plain) : String(value)
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array ? [...value] : value
}
