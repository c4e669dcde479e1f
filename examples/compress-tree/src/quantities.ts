/** Quantities as people read them: bytes, times, shares, counts. Pure functions. */

/** Decimal units, three digits: `53.3 MB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  // Otherwise 999.5 would be shown as 1000.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : threeDigits(value)} ${units[unit]}`
}

/** Three digits, in a suitable unit: `0.42 ms`, `12.3 ms`, `1.23 s`. */
export function timeText(ms: number): string {
  return ms < 999.5 ? `${threeDigits(ms)} ms` : `${threeDigits(ms / 1000)} s`
}

/** A whole percentage: `97 %`. */
export function shareText(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** `1 file`, `3,255 files`. */
export function countText(count: number, noun: string): string {
  return `${numberText(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `3,255`. */
export function numberText(count: number): string {
  return count.toLocaleString('en')
}

function threeDigits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
}
