/** How durations are distributed, as a model tells it. */
import type { Quantiles } from './model.js'
import type { Sketch } from './sketch.js'

/** Returns what a sketch of durations says. */
export function quantilesOf(sketch: Sketch): Quantiles {
  const { count, sum } = sketch
  const of = (q: number): number => (count === 0 ? 0 : sketch.quantile(q))
  const max = count === 0 ? 0 : Number(sketch.max)
  return { count, sum, p50: of(0.5), p90: of(0.9), p99: of(0.99), max, bins: sketch.bins() }
}
