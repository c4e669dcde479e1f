/**
 * Runs a fixture of this folder as a separate process, and checks the traces that it leaves. For
 * tests only.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { TraceRecord } from '@rchan/ctf/reader'
import type { RecordingSummary } from '@rchan/trace'
import { babeltrace, readTrace, runCommand, type Ended } from '../../rchan/test/scenario.ts'

export { freshFolder } from '../../rchan/test/scenario.ts'

/** Runs a fixture to its end. */
export async function run(
  name: string,
  args: readonly string[],
  nodeArgs: readonly string[] = [],
): Promise<Ended> {
  const path = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))
  return await runCommand(process.execPath, [...nodeArgs, path, ...args])
}

/** The output of a fixture: mostly a summary, and more. */
export function printed(ended: Ended): unknown {
  if (ended.status !== 0)
    throw new Error(`the fixture ended with ${ended.status} ${ended.signal}: ${ended.stderr}`)
  return JSON.parse(ended.stdout)
}

/**
 * Opens a trace in our reader and, unless it is one of many, in babeltrace2 when it is there; both
 * must agree with the summary.
 */
export function opened(summary: RecordingSummary, oneOfMany = false): TraceRecord[] {
  const { records, discarded } = readTrace(summary.path)
  expect(records.length).toBe(summary.events)
  const lost = summary.discarded + summary.overwritten + summary.torn + summary.unwritten
  expect(discarded).toBe(lost)
  const seen = oneOfMany ? undefined : babeltrace(summary.path)
  if (seen !== undefined) expect(seen).toEqual({ events: summary.events, discarded: lost })
  return records
}

/**
 * The steps of each thread, in the order of the trace. @throws when one is there twice or out of
 * order.
 */
export function stepsOf(
  records: readonly TraceRecord[],
  into = new Map<number, number[]>(),
): Map<number, number[]> {
  for (const { fields } of records) {
    const thread = fields.thread as number
    const step = fields.step as number
    const steps = into.get(thread) ?? []
    into.set(thread, steps)
    const last = steps.at(-1) ?? 0
    if (step <= last) throw new Error(`thread ${thread}: step ${step} after ${last}`)
    steps.push(step)
  }
  return into
}

/** The numbers 1 to `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

/** The names in a folder; empty if there is no folder. */
export function namesIn(...parts: string[]): string[] {
  const folder = join(...parts)
  return existsSync(folder) ? readdirSync(folder).sort() : []
}
