/** What checks of snapshots found. */
export interface Found {
  readonly snapshots: number
  readonly receipts: number
  readonly sendings: number
  /** Events that the snapshots counted as lost. */
  readonly lost: number
  /** Receipts whose sendings were overwritten while the snapshot was taken, as it says. */
  readonly overwritten: number
  /** What is wrong; empty if nothing is. */
  readonly problems: readonly string[]
}

/** A random number generator with a seed: numbers from 0 to below 1. */
export function randomOf(seed: number): () => number

/** Takes snapshots while threads pass tokens, and checks each one. */
export function checkTokens(options: {
  readonly dir: string
  readonly snapshots: number
  readonly seed: number
  readonly buffers?: 'per-thread' | 'global'
  readonly threads?: number
}): Promise<Found>
