/**
 * What a recording says, beside what others have measured in the same run: piscina itself, V8's
 * `--trace-gc`, the kernel by `process.threadCpuUsage`; and stalls whose place is known.
 *
 * The differences are those of two clocks that are read one after the other, so of many of them the
 * median counts: a machine that is busy may stop a thread between the two.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse, type Task } from 'rchan/analysis'
import { findTraces, openTraces, type TraceItem } from '@rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import {
  collectionsIn,
  differenceFromV8,
  differencesFromPiscina,
  differencesFromUsage,
  differencesFromV8,
  minorCollectionsOf,
  spreadOf,
  sumsOf,
} from './record/agreement.mjs'
import { freshFolder, runCommand } from './scenario.ts'

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))
/** The longest that a kernel has: 100 a second. */
const TICK_MS = 10
const MS = 1e6

async function record(
  file: string,
  args: readonly string[] = [],
  nodeArgs: readonly string[] = [],
): Promise<{ stdout: string; folders: string[]; items: TraceItem[] }> {
  const dir = join(freshFolder(), 'recording')
  const program = fileURLToPath(new URL(`./record/agrees/${file}`, import.meta.url))
  const command = [process.execPath, ...nodeArgs, program, ...args]
  const ended = await runCommand(process.execPath, [COMMAND, 'record', '--dir', dir, '--', ...command])
  if (ended.status !== 0) throw new Error(ended.stderr)
  const folders = findTraces(dir)
  return { stdout: ended.stdout, folders, items: [...openTraces(folders).items()] }
}

test.each(['piscina', 'piscina4'])('wait and run time of each task as %s has them', async (pool) => {
  const { stdout, items } = await record('piscina-times.cjs', [pool])
  const times = JSON.parse(stdout) as { waits: number[]; runs: number[] }
  expect(times.waits).toHaveLength(62)
  const { wait, run } = differencesFromPiscina(items, times)
  expect(spreadOf(wait).median).toBeLessThan(0.5)
  expect(spreadOf(run).median).toBeLessThan(0.5)
})

describe('collections of garbage as V8 has them', () => {
  test('one by one, in a thread that turns its event loop', async () => {
    const { stdout, items } = await record('gc.mjs', ['main'], ['--trace-gc'])
    const ours = minorCollectionsOf(items, 0)
    expect(ours.length).toBeGreaterThan(10)
    const [theirs] = collectionsIn(stdout).toSorted((a, b) => b.length - a.length)
    const minor = theirs.filter(({ kind }) => kind === 'Scavenge')
    // The others were before the recording.
    expect(minor.length - ours.length).toBeLessThan(5)
    const differences = differencesFromV8(
      ours,
      minor.map(({ ms }) => ms),
    )
    expect(spreadOf(differences).median).toBeLessThan(0.5)
  })

  test('their sum, in a worker that is parked', async () => {
    const { stdout, items } = await record('gc.mjs', ['pool'], ['--trace-gc'])
    const ours = sumsOf(items)
    // V8 does not count what it does before and after each, some 0.1 ms.
    expect(ours.collections).toBeGreaterThan(10)
    const [theirs] = collectionsIn(stdout).toSorted((a, b) => b.length - a.length)
    // A thread may be stopped there: on a busy machine it is more.
    expect(Math.abs(differenceFromV8(ours, theirs))).toBeLessThan(ours.collections)
  })
})

test.skipIf(!('threadCpuUsage' in process) || process.platform !== 'linux')(
  'time on a CPU of each task as its thread has it',
  async () => {
    const { stdout, items } = await record('cpu.mjs')
    const differences = differencesFromUsage(items, JSON.parse(stdout) as number[])
    expect(differences).toHaveLength(4)
    for (const difference of differences) expect(Math.abs(difference)).toBeLessThan(TICK_MS)
  },
)

describe('an event loop that stands still for 300 ms', () => {
  const stagesOf = (task: Task): Record<string, number> => {
    const { queued, dispatched = 0n, started = 0n, finished = 0n, handled = 0n } = task
    return {
      queued: Number(dispatched - queued),
      dispatched: Number(started - dispatched),
      running: Number(finished - started),
      replied: Number(handled - finished),
    }
  }
  test.each(['queued', 'dispatched', 'running', 'replied'])('while a task is %s', async (stage) => {
    const { folders, items } = await record('stalls.mjs', [stage])
    const [pool] = analyse(openTraces(folders)).pools
    const last = pool.slowest.toSorted((a, b) => Number(b.id) - Number(a.id))[0]
    expect(last.outcome).toBe('ok')
    // Its parts are measured from below: a busy machine makes them longer.
    expect(stagesOf(last)[stage]).toBeGreaterThan(295 * MS)
    // In this stage, and in no other.
    const longest = Object.entries(stagesOf(last)).toSorted(([, a], [, b]) => b - a)[0]
    expect(longest[0]).toBe(stage)
    const isOfMain = stage === 'queued' || stage === 'replied'
    if (!isOfMain) return
    const stalls = items.filter((item) => item.type === 'span' && item.event.name === 'loop:stall')
    const within = stalls.filter(
      (item) =>
        item.type === 'span' &&
        item.thread.threadId === 0 &&
        item.end - item.start > BigInt(295 * MS) &&
        item.start < (last.handled ?? 0n) &&
        item.end > last.queued,
    )
    expect(within).toHaveLength(1)
  })
})
