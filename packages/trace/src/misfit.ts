/**
 * What was wrong with the arguments of a call, in words. Off the hot path, on every thread that
 * traces; once for each tracepoint in a recording.
 *
 * Nothing here runs code of the caller, who passed the values: they are neither converted nor
 * looked into. Nor does it use what programs replace: methods, or iteration.
 */
import { typeWords, type PlacedField } from '@rchan/ctf'

/** What an encoder has in the place of a value that it has not read. It fits no type. */
export const UNREAD: unknown = Object.freeze({ unread: true })

/** Characters of a text that are shown. */
const MOST_CHARACTERS = 40
/** Of larger ones the digits are not made: that may take long. */
const MOST_BITS = 128
const MOST_BIGINT = 1n << BigInt(MOST_BITS)

/**
 * Says which argument did not fit, and what it was.
 *
 * @param argsType `typeof` the arguments' object; `number` where there was none.
 * @param values as far as they were read; the others are {@link UNREAD}.
 * @param failed the field that is to blame, if it is known: then only its value is in `values`.
 */
export function misfitText(
  fields: readonly PlacedField[],
  argsType: string,
  values: readonly unknown[],
  failed?: number,
): string {
  if (argsType !== 'object' && argsType !== 'function') return 'called without its fields'
  if (failed !== undefined) return fieldMisfit(fields[failed], values[0])
  for (let index = 0; index < fields.length; index += 1) {
    const value = values[index]
    if (value === UNREAD || !fields[index].descriptor.fits(value)) return fieldMisfit(fields[index], value)
  }
  return 'its fields could not be read'
}

function fieldMisfit({ name, type, descriptor }: PlacedField, value: unknown): string {
  if (value === UNREAD) return `${name} could not be read: its getter threw`
  if (value === undefined) return `${name} is missing`
  const inside = descriptor.composite && descriptor.fits(value) ? ', or something in it does not fit' : ''
  return `${name}=${shown(value)} is no ${typeWords(type)}${inside}`
}

function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoted(value)
    case 'bigint':
      return value < MOST_BIGINT && value > -MOST_BIGINT
        ? `${value}n`
        : `(a bigint of more than ${MOST_BITS} bits)`
    case 'number':
    case 'boolean':
      return `${value}`
    case 'object':
      return value === null ? 'null' : '(an object)'
    default:
      return `(a ${typeof value})`
  }
}

function quoted(text: string): string {
  let start = ''
  for (let index = 0; index < text.length && index < MOST_CHARACTERS; index += 1) start += text[index]
  return text.length > MOST_CHARACTERS ? `"${start}…"` : `"${start}"`
}
