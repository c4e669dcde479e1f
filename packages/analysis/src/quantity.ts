/** Quantities as people read them: three digits and a unit, or two units of a clock. */

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

/** Longer durations are told as a clock would: each unit in ns, and how many of the next it has. */
const CLOCK: readonly (readonly [number, string])[] = [
  [86_400e9, 'd'],
  [3600e9, 'h'],
  [60e9, 'min'],
  [1e9, 's'],
]
/** Less is told in seconds. */
const LEAST_OF_CLOCK = 59.95e9

/** Returns a duration: `842 ns`, `1.25 ms`, `59.2 s`, `2 min 30 s`, `3 h`, `2 d 5 h`. */
export function durationText(ns: number): string {
  return Math.abs(ns) < LEAST_OF_CLOCK ? scaled(ns, TIMES) : clockText(ns)
}

function clockText(ns: number): string {
  const size = Math.abs(ns)
  // Rounded in the smaller of the two units, it may have grown into a larger one.
  for (const [place, [unit, name]] of CLOCK.slice(0, -1).entries()) {
    const [smaller, nameOfSmaller] = CLOCK[place + 1]
    const rounded = Math.round(size / smaller) * smaller
    if (rounded < unit) continue
    const rest = Math.round((rounded % unit) / smaller)
    const text = `${grouped(Math.floor(rounded / unit))} ${name}${rest === 0 ? '' : ` ${rest} ${nameOfSmaller}`}`
    return ns < 0 ? `-${text}` : text
  }
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
