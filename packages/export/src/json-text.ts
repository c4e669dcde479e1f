/**
 * Values as JSON. JSON has no whole numbers above 2^53 that every reader keeps, no NaN and no
 * infinities, and its texts must be well formed.
 */
import type { DecodedValue } from '@rchan/ctf/reader'

/** How whole numbers of 64 bits are written. */
export type BigNumbers =
  /** As a number if it is a safe one, else as a text. For viewers. */
  | 'number-if-safe'
  /** Always as a text of decimal digits. For programs that read them back. */
  | 'text'
  /** The same, all in a quoted cell of a table: each quotation mark is there twice. */
  | 'quoted'

const LONE_SURROGATE = /\p{Cs}/gu

/** Returns a text as JSON. Half a surrogate pair becomes U+FFFD. */
export function jsonString(text: string): string {
  const json = JSON.stringify(text)
  // JSON.stringify writes halves as \udXXX, which is JSON, but no reader can make UTF-8 of it.
  return json.includes('\\ud') ? JSON.stringify(text.replaceAll(LONE_SURROGATE, '\ufffd')) : json
}

/** Returns a number as JSON: NaN and the infinities are texts. */
function jsonNumber(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? '-0' : String(value)
}

/** Returns a value as JSON. Bytes are a text in base64. */
function jsonValue(value: DecodedValue, big: BigNumbers): string {
  switch (typeof value) {
    case 'number':
      return jsonNumber(value)
    case 'string':
      return jsonString(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'bigint':
      return big === 'text' || !Number.isSafeInteger(Number(value)) ? `"${value}"` : String(value)
    case 'undefined':
      return 'null'
    default:
  }
  if (value instanceof Uint8Array) {
    return `"${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}"`
  }
  if (Array.isArray(value)) {
    let text = '['
    for (let index = 0; index < value.length; index += 1) {
      text += `${index === 0 ? '' : ','}${jsonValue(value[index] as DecodedValue, big)}`
    }
    return `${text}]`
  }
  return `{${jsonMembers(value as Readonly<Record<string, DecodedValue>>, big)}}`
}

/** Returns the members of an object, without the braces. Those that are undefined are left out. */
export function jsonMembers(values: Readonly<Record<string, DecodedValue>>, big: BigNumbers): string {
  const isQuoted = big === 'quoted'
  let text = ''
  for (const name in values) {
    const value = values[name]
    if (value === undefined) continue
    const json = isQuoted ? quotedValue(value) : jsonValue(value, big)
    text += `${text === '' ? '' : ','}${keyText(isQuoted ? quotedKeys : keys, name, isQuoted)}:${json}`
  }
  return text
}

/** Returns a value as JSON in a quoted cell. */
function quotedValue(value: DecodedValue): string {
  if (typeof value === 'bigint') return `""${value}""`
  const json = jsonValue(value, 'text')
  // Of a text that has nothing escaped, only the outer marks are doubled.
  if (typeof value === 'string' && json.length === value.length + 2) return `"${json}"`
  return typeof value === 'number' && Number.isFinite(value) ? json : json.replaceAll('"', '""')
}

/** Names of fields repeat, and are few. */
const keys = new Map<string, string>()
const quotedKeys = new Map<string, string>()
const MOST_KEYS = 10_000

function keyText(known: Map<string, string>, name: string, isQuoted: boolean): string {
  let text = known.get(name)
  if (text === undefined) {
    text = isQuoted ? jsonString(name).replaceAll('"', '""') : jsonString(name)
    if (known.size < MOST_KEYS) known.set(name, text)
  }
  return text
}
