import type { Random } from './random.mjs'

/** The sums of a round's records, by their fate. */
export interface RoundSums {
  readonly attempted: number
  readonly delivered: number
  readonly overwritten: number
  readonly discarded: number
  readonly torn: number
  readonly traceless: number
  readonly kills: number
}

export interface Mode {
  readonly name: string
  readonly about: string
  round(options: { seed: number; random: Random; log: (line: string) => void }): Promise<RoundSums>
}

export declare const MODES: readonly Mode[]
