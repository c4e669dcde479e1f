/**
 * What a recording says, beside what others have measured in the same run: piscina itself, V8's
 * `--trace-gc`, the kernel by `process.threadCpuUsage`; stalls whose place is known, and tasks of
 * which it is known what they are made of.
 *
 * The differences are those of two clocks that are read one after the other, so of many of them the
 * median counts: a machine that is busy may stop a thread between the two.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse, type Pool, type Task } from 'rchan/analysis'
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

describe.skipIf(process.platform !== 'linux')('what tasks of less than 1 ms are made of', () => {
  const poolOf = async (what: string, threads: number): Promise<Pool> => {
    const { folders } = await record('short-tasks.cjs', [what, String(threads)])
    const { pools, threads: all } = analyse(openTraces(folders))
    const [pool] = pools
    const { onCpu, waitingForCpu, gc, blocked, unknown, estimated } = pool.parts
    expect(onCpu + waitingForCpu + gc + blocked + unknown).toBeCloseTo(pool.run.sum, -3)
    expect(pool.run.p90).toBeLessThan(100 * MS)
    // On a busy machine the readings are fewer, but not the most of them.
    expect(estimated).toBeGreaterThan(0.3 * pool.run.sum)
    // No more than their threads had.
    const workers = all.filter(({ tasks }) => tasks > 0)
    const had = workers.reduce((sum, { onCpuNs }) => sum + onCpuNs, 0)
    expect(onCpu + pool.gcOnCpuNs).toBeLessThan(had * 1.001)
    return pool
  }
  /** Parts of the run time that is known. */
  const sharesOf = ({ parts, run }: Pool): { work: number; blocked: number } => {
    const known = run.sum - parts.unknown
    return {
      work: (parts.onCpu + parts.waitingForCpu + parts.gc) / known,
      blocked: parts.blocked / known,
    }
  }

  test.each([1, 4])('when %d threads compute', async (threads) => {
    const { work, blocked } = sharesOf(await poolOf('compute', threads))
    expect(work).toBeGreaterThan(0.7)
    expect(blocked).toBeLessThan(0.3)
  })

  test('when they sleep', async () => {
    const pool = await poolOf('sleep', 2)
    expect(sharesOf(pool).blocked).toBeGreaterThan(0.5)
    expect(pool.parts.onCpu).toBeLessThan(0.4 * pool.run.sum)
  })
})

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
