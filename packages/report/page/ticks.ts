/** Where the axis has ticks, and what stands there. */
import { durationText } from '@rchan/analysis'
import { ticks, tickStep } from 'd3-array'

const SECOND = 1e9
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** About as many pixels lie between two ticks. */
const TICK_PIXELS = 110
/** Steps of a clock, for times in which decimal ones would be odd. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * MINUTE)

/** A place on the axis, in ns. */
export interface Tick {
  readonly at: number
  readonly text: string
}

/** Returns about `count` ticks. */
export function ticksOf(from: number, to: number, count: number): Tick[] {
  const least = (to - from) / count
  if (least > MINUTE / 2) return clockTicks(from, to, count)
  // Nothing is shorter than 1 ns.
  const values = ticks(from, to, Math.max(1, Math.min(count, Math.floor(to - from))))
  const step = values.length > 1 ? values[1] - values[0] : 1
  return values.map((at) => ({ at, text: stepText(at, step, step) }))
}

/**
 * A time under the pointer, in the unit of the axis.
 *
 * @param perPixel how many ns a pixel has: nothing finer is said.
 */
export function timeText(at: number, perPixel: number): string {
  const step = perPixel * TICK_PIXELS
  return step > MINUTE / 2 ? durationText(at) : stepText(at, step, Math.max(1, perPixel))
}

/** @param finest all that have the same have as many decimals. */
function stepText(at: number, step: number, finest: number): string {
  const [one, unit] =
    step >= 1e8 ? [1e9, 's'] : step >= 1e5 ? [1e6, 'ms'] : step >= 100 ? [1e3, 'µs'] : [1, 'ns']
  // A step of 0.1 is a little more or less than that.
  const digits = Math.max(0, Math.ceil(Math.log10(one / finest) - 1e-6))
  const text = (at / one).toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
  return `${text.replace(/^-(?=[0.]+$)/, '')} ${unit}`
}

function clockTicks(from: number, to: number, count: number): Tick[] {
  const least = (to - from) / count
  const step = STEPS.find((each) => each >= least) ?? Math.max(1, tickStep(0, (to - from) / DAY, count)) * DAY
  const first = Math.ceil(from / step)
  const all = Array.from({ length: Math.floor(to / step) - first + 1 }, (_, index) => (first + index) * step)
  return all.map((at) => ({ at, text: clockText(at) }))
}

/** `1 d 3 h`, `2 h 15 min`, `30 min`. */
function clockText(ns: number): string {
  const size = Math.abs(ns)
  const parts = [
    `${Math.floor(size / DAY)} d`,
    `${Math.floor((size % DAY) / HOUR)} h`,
    `${Math.floor((size % HOUR) / MINUTE)} min`,
  ].filter((part) => !part.startsWith('0 '))
  return parts.length === 0 ? '0' : `${ns < 0 ? '−' : ''}${parts.join(' ')}`
}
