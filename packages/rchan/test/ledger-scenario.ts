/** Runs the fixture ledger.mjs, and holds its ledgers to the calls that its threads counted. */
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Fate, LossReport, RecordingSummary } from 'rchan'
import { fixture, freshFolder, readTrace, run, runCommand, summaryOf } from './scenario.ts'

export const SEED = Number(process.env.RCHAN_SEED ?? 20261126)

/** What the fixture prints. */
export interface Printed extends RecordingSummary {
  /** By Node's number of the thread: calls begun, calls returned. */
  readonly counts: readonly number[]
  readonly between: readonly LossReport[]
  readonly after: LossReport
}

/** The sum of a row without `attempted`. */
export function sumOf(fate: Omit<Fate, 'attempted'>): number {
  const { delivered, overwritten, torn, unwritten, pending, discarded } = fate
  const refused = Object.values(discarded).reduce((sum, count) => sum + count, 0)
  return delivered + overwritten + torn + unwritten + pending + refused
}

export async function ran(
  ways: readonly string[],
  options: object,
  times = 2,
  { spoil = '', blocks = 0, memory }: { spoil?: string; blocks?: number; memory?: number } = {},
): Promise<Printed & { folder: string }> {
  const folder = join(freshFolder(), 'trace')
  const args = [folder, JSON.stringify({ ways, options, times, seed: SEED, spoil, memory })]
  const script = `ulimit -f ${blocks}; exec "$0" "$@"`
  const ended =
    blocks === 0
      ? await run('ledger.mjs', args)
      : await runCommand('sh', ['-c', script, process.execPath, fixture('ledger.mjs'), ...args])
  const printed = summaryOf(ended) as unknown as Printed
  return { ...printed, folder }
}

/** Holds a ledger to the calls that the threads counted themselves. */
export function expectCounted({ counts, losses, after, between, ...summary }: Printed): void {
  expect(after).toEqual(losses)
  for (const report of [losses, ...between]) {
    expect(report.attempted).toBe(sumOf(report))
    for (const thread of report.threads) expect(thread.attempted).toBe(sumOf(thread))
  }
  const calls = [0, 1].map((part) =>
    counts.reduce((sum, count, at) => sum + (at % 2 === part ? count : 0), 0),
  )
  expect(losses.attempted, `seed=${SEED}`).toBeGreaterThanOrEqual(calls[1])
  expect(losses.attempted, `seed=${SEED}`).toBeLessThanOrEqual(calls[0])
  expect(losses).toMatchObject({
    overwritten: summary.overwritten,
    torn: summary.torn,
    unwritten: summary.unwritten,
    discarded: summary.discardedBy,
  })
  if (losses.shared !== undefined) return
  for (const { threadId, cpu, generation, attempted } of losses.threads) {
    const where = `calls of thread ${threadId}, generation ${generation} of CPU ${cpu}, seed=${SEED}`
    expect(attempted, where).toBeGreaterThanOrEqual(counts[2 * threadId + 1])
    expect(attempted, where).toBeLessThanOrEqual(counts[2 * threadId])
  }
}

/** The same, and to the trace. */
export function expectClosed(result: Printed & { folder: string }): void {
  expectCounted(result)
  const { folder, losses, events } = result
  expect(losses).toMatchObject({ delivered: events, pending: 0 })
  const { records } = readTrace(folder)
  expect(records.length).toBe(losses.delivered)
  for (const { threadId, cpu, delivered } of losses.threads) {
    const mine = records.filter((record) => record.threadId === threadId)
    expect(mine.length, `delivered of thread ${threadId}, seed=${SEED}`).toBe(delivered)
    if (losses.shared === undefined) expect(mine.every((record) => record.cpu === cpu)).toBe(true)
  }
}

/** Places for the main thread, which does not trace, and for the threads of a round. */
export const FEW = { possibleCpus: 4 }
