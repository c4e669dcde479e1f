/** What run times are made of, as text. */
import type { Parts } from './model.js'

const NAMES = [
  ['onCpu', 'on a CPU'],
  ['waitingForCpu', 'waiting for a CPU'],
  ['gc', 'garbage collection'],
  ['blocked', 'blocked'],
  ['unknown', 'not known'],
] as const
/** Smaller parts are not named. */
const LEAST = 0.0005
/** A smaller error is not told. */
const LEAST_ERROR = 0.005

/** One part, and its share in the whole. */
export interface ShownPart {
  readonly key: (typeof NAMES)[number][0]
  /** `on a CPU 84.1 %`. */
  readonly text: string
  /** From 0 to 1. */
  readonly share: number
}

/** The parts of a time. */
export interface ShownParts {
  /** `is`, or `is about` where parts are an estimate. */
  readonly verb: string
  readonly parts: readonly ShownPart[]
  /** `give or take 4.2 %`; empty if that is little. */
  readonly error: string
}

/** Returns the parts of `sum` that can be seen. */
export function shownParts(parts: Parts, sum: number): ShownParts {
  const error = sum > 0 ? parts.error / sum : 0
  const isRough = error >= LEAST_ERROR
  return {
    verb: isRough ? 'is about' : 'is',
    parts: NAMES.map(([key, label]) => ({ key, label, share: sum > 0 ? parts[key] / sum : 0 }))
      .filter(({ share }) => share >= LEAST)
      .map(({ key, label, share }) => ({ key, share, text: `${label} ${percent(share)}` })),
    error: isRough ? `give or take ${percent(error)}` : '',
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
