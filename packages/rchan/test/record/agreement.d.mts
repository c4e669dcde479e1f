import type { TraceItem } from '@rchan/ctf/reader'

/** Of the sizes of differences. */
export interface Spread {
  readonly count: number
  readonly median: number
  readonly p90: number
}

/** A collection as V8 tells of it. Times in ms. */
export interface V8Collection {
  readonly kind: string
  readonly ms: number
  readonly steps: number
}

export function spreadOf(differences: readonly number[]): Spread
export function differencesFromPiscina(
  items: readonly TraceItem[],
  theirs: { readonly waits: readonly number[]; readonly runs: readonly number[] },
): { wait: number[]; run: number[] }
export function collectionsIn(output: string): V8Collection[][]
export function differencesFromV8(ours: readonly number[], theirs: readonly number[]): number[]
export function differenceFromV8(
  ours: { readonly collections: number; readonly ms: number },
  theirs: readonly V8Collection[],
): number
export function minorCollectionsOf(items: readonly TraceItem[], threadId: number): number[]
export function sumsOf(items: readonly TraceItem[]): { collections: number; ms: number }
export function differencesFromUsage(items: readonly TraceItem[], used: readonly number[]): number[]
