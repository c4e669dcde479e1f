/** Names and fields as a page shows them. */
import type { DecodedValue, ItemFields } from '@rchan/ctf/reader'
import type { PageThread } from './page-data.js'

const LONGEST_NAME = 200
const LONGEST_VALUE = 100
const MOST_FIELDS = 20
/** What the program itself has named. */
const NAMED_BY_FIELD = /^user:/
/** The directions that Unicode can force upon a text. */
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/g

/** What a text on one line has replaced. */
const UNFIT = /[\r\n\t\u202a-\u202e\u2066-\u2069]/

/** Replaces what would turn round the text that stands after it. */
export function plainText(text: string): string {
  return text.replaceAll(DIRECTIONS, '\ufffd')
}

/** A text on one line, cut if it is long. */
export function shortText(text: string, most = LONGEST_NAME): string {
  const short = text.length <= most ? text : `${text.slice(0, most)}…`
  // Most texts are fit as they are.
  return UNFIT.test(short) ? plainText(short).replaceAll(/[\r\n\t]+/g, ' ') : short
}

/** A task is shown under its name, and what the program has named itself under that name. */
export function shownName(event: string, { name }: ItemFields): string {
  const hasOwn = event === 'task:run' || NAMED_BY_FIELD.test(event)
  return shortText(hasOwn && typeof name === 'string' && name !== '' ? name : event)
}

/** Fields as they are shown: one a line. */
export function fieldsText(fields: ItemFields): string {
  const names = Object.keys(fields)
  let text = ''
  for (let index = 0; index < names.length && index < MOST_FIELDS; index += 1) {
    const name = names[index]
    text += `${index === 0 ? '' : '\n'}${name}: ${valueText(fields[name])}`
  }
  return names.length > MOST_FIELDS ? `${text}\n… and ${names.length - MOST_FIELDS} more` : text
}

function valueText(value: DecodedValue): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  return shortText(typeof value === 'object' ? JSON.stringify(value, plain) : String(value), LONGEST_VALUE)
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array ? [...value] : value
}

/** What a thread is called among others: several workers may have the same name. */
export function nameOfRow({ id, label }: Pick<PageThread, 'id' | 'label'>): string {
  return id === 0 || label === `worker ${id}` ? label : `${label} #${id}`
}
