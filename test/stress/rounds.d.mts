import type { Mode, RoundSums } from './modes.mjs'

export interface ModeReport extends RoundSums {
  readonly rounds: number
  /** A text for each round in which something forbidden was seen. */
  readonly failures: readonly string[]
}

export declare function runMode(
  mode: Mode,
  options: {
    seconds: number
    atLeast?: number
    seed: number
    round?: number | undefined
    print: (line: string) => void
    playing?: (round: number) => void
  },
): Promise<ModeReport>
export declare function modeLine(
  name: string,
  sums: RoundSums & { rounds: number },
  failures: readonly string[],
): string
export declare function commandFor(name: string, seed: number): string
