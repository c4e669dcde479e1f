/**
 * The values of fields, as what they should be. A trace is untrusted: they may have another type.
 */
import type { DecodedValue } from '@rchan/ctf/reader'

export function numberOf(value: DecodedValue): number | undefined {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined
}

export function idOf(value: DecodedValue): bigint | undefined {
  if (typeof value === 'bigint') return value
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : undefined
}

export function textOf(value: DecodedValue): string | undefined {
  return typeof value === 'string' ? value : undefined
}
