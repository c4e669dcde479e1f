/** Quantities as people read them: three digits and a unit. */

const TIMES: readonly (readonly [number, string])[] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
]
const BYTES: readonly (readonly [number, string])[] = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
  [1, 'B'],
]
/** ns in the units of time that a field can have. */
const NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 }

/** Returns a duration: `842 ns`, `1.25 ms`, `3600 s`. */
export function durationText(ns: number): string {
  return scaled(ns, TIMES)
}

/** Returns a number with its unit. Times and bytes are scaled. */
export function quantityText(value: number, unit = ''): string {
  if (Object.hasOwn(NS, unit)) return durationText(value * NS[unit])
  if (unit === 'bytes' || unit === 'B') return scaled(value, BYTES)
  return unit === '' ? numberText(value) : `${numberText(value)} ${unit}`
}

/** Returns a number: `1,234,567`, `0.00123`, `1.5e+300`. */
export function numberText(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e15) return value.toExponential(3)
  if (Number.isInteger(value) || size >= 1000) return grouped(Math.round(value))
  return String(Number(value.toPrecision(3)))
}

function scaled(value: number, scale: typeof TIMES): string {
  const size = Math.abs(value)
  const step = scale.find(([one]) => size >= one * 0.9995) ?? scale[scale.length - 1]
  const count = value / step[0]
  const text = Math.abs(count) >= 99.95 ? grouped(Math.round(count)) : trimmed(count, step[0] === 1)
  return `${text} ${step[1]}`
}

function trimmed(count: number, isWhole: boolean): string {
  return isWhole && Number.isInteger(count) ? String(count) : count.toPrecision(3)
}

function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
}
