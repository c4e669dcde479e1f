/** The probe `samples`: programs whose hot functions are known. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse, type HotFunction, type Model, type Sampled } from '@rchan/analysis'
import { findTraces, openTraces, type TraceItem } from '@rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import { freshFolder, runCommand, type Ended } from './scenario.ts'
import { countEvents, needReader } from '../../../test/readers.ts'

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))

function program(name: string): string {
  return fileURLToPath(new URL(`./record/${name}`, import.meta.url))
}

interface Recorded extends Ended {
  readonly dir: string
  readonly items: TraceItem[]
  readonly model: Model
}

async function recordHot(nodeArgs: readonly string[], ...args: string[]): Promise<Recorded> {
  const dir = join(freshFolder(), 'recording')
  const ended = await runCommand(process.execPath, [
    COMMAND,
    'record',
    '--dir',
    dir,
    '--probe',
    'samples',
    '--',
    process.execPath,
    ...nodeArgs,
    program('hot.mjs'),
    ...args,
  ])
  expect(ended).toMatchObject({ status: 0 })
  const trace = openTraces(findTraces(dir))
  return { ...ended, dir, items: [...trace.items()], model: analyse(trace) }
}

function named(items: readonly TraceItem[], name: string): Extract<TraceItem, { type: 'event' }>[] {
  return items.filter(
    (item): item is Extract<TraceItem, { type: 'event' }> =>
      item.type === 'event' && item.event.name === name,
  )
}

/** Time in a function and what it called. */
function timeIn(sampled: Sampled | undefined, name: string): number {
  return sampled?.functions.find((each) => each.name === name)?.totalNs ?? 0
}

/** The program's function with the most own time. Others may have waited for a CPU for longer. */
function hottest(sampled: Sampled | undefined): HotFunction | undefined {
  return sampled?.functions.find(({ file }) => file.startsWith(program('hot')))
}

describe('functions that are hot', () => {
  test('are found in their threads, and in the tasks of a pool by the name of the task', async () => {
    const { model, items, stdout, stderr } = await recordHot([])
    expect(stdout).toBe('16\n')
    expect(named(items, 'probe:off')).toEqual([])
    const [pool] = model.pools
    const tasks = new Map(pool.sampled?.map((each) => [each.task, each]))
    expect([...tasks.keys()].toSorted()).toEqual(['hot-task.mjs', 'hot-task.mjs:other'])
    // Each in its own tasks, and nowhere else: the clock of the samples is that of the tasks.
    for (const [name, own, foreign] of [
      ['hot-task.mjs', 'hotInTask', 'hotInOther'],
      ['hot-task.mjs:other', 'hotInOther', 'hotInTask'],
    ]) {
      const sampled = tasks.get(name)
      expect(hottest(sampled)?.name).toBe('spin')
      expect(timeIn(sampled, own)).toBeGreaterThan(10 * timeIn(sampled, foreign))
    }
    expect(hottest(tasks.get('hot-task.mjs'))).toMatchObject({
      name: 'spin',
      file: program('hot-task.mjs'),
      line: 2,
      column: 14,
    })

    const of = (name: string): Sampled[] =>
      model.threads.flatMap(({ thread, sampled }) =>
        sampled !== undefined && timeIn(sampled, name) > 0 ? [{ ...sampled, thread }] : [],
      )
    const [main, ...others] = of('hotInMain')
    expect(others).toEqual([])
    expect(main).toMatchObject({ thread: { threadId: 0 } })
    expect(main.idleNs).toBeGreaterThan(0)
    // A worker that never returns to its event loop, and is terminated.
    expect(of('hotInWorker').map((each) => hottest(each)?.name)).toEqual(['until'])
    expect(stderr).toMatch(
      /^functions of hot-task\.mjs:other in piscina-1, of .*\n(?:.+\n)+?.* spin .*hot-task/m,
    )
  })

  test('also of a program that ends at once', async () => {
    const { model } = await recordHot([], 'exit')
    expect(timeIn(model.threads[0].sampled, 'hotInMain')).toBeGreaterThan(0)
    expect(hottest(model.threads[0].sampled)?.name).toBe('until')
  })

  test('summary tells them, as text and as data; babeltrace2 reads the records', async (context) => {
    const { dir, items } = await recordHot([], 'exit')
    const text = await runCommand(process.execPath, [COMMAND, 'summary', dir])
    expect(text.stdout).toMatch(
      /^functions of main \(0\), of .*\n +self +total +function +at\n(?:.+\n)*?.* until /m,
    )
    const { stdout } = await runCommand(process.execPath, [COMMAND, 'summary', dir, '--json'])
    const { model } = JSON.parse(stdout) as { model: { threads: { sampled: Sampled }[] } }
    expect(hottest(model.threads[0].sampled)).toMatchObject({ name: 'until', file: program('hot.mjs') })
    needReader(context, 'babeltrace2')
    const written = items.filter(
      (item) => 'event' in item && !(item.type === 'span' && item.outcome === 'cut'),
    )
    expect(countEvents('babeltrace2', findTraces(dir))).toBe(written.length)
  })
})

describe('somebody else uses the inspector', () => {
  test('--cpu-prof writes its own profile', async () => {
    const folder = freshFolder()
    const { model } = await recordHot(['--cpu-prof', '--cpu-prof-dir', folder], 'exit')
    expect(timeIn(model.threads[0].sampled, 'hotInMain')).toBeGreaterThan(0)
    expect(hottest(model.threads[0].sampled)?.name).toBe('until')
    const files = readdirSync(folder)
    expect(files).toHaveLength(1)
    const { nodes } = JSON.parse(readFileSync(join(folder, files[0]), 'utf8')) as {
      nodes: { callFrame: { functionName: string } }[]
    }
    expect(nodes.some(({ callFrame }) => callFrame.functionName === 'hotInMain')).toBe(true)
  })

  test('--inspect: no profile of ours is told there', async () => {
    const { model, stdout, stderr } = await recordHot(['--inspect=0'], 'listens')
    expect(stderr).toContain('Debugger listening')
    expect(stdout).toBe('0\n')
    expect(timeIn(model.threads[0].sampled, 'hotInMain')).toBeGreaterThan(0)
    expect(hottest(model.threads[0].sampled)?.name).toBe('until')
  })
})

test('where Node forbids the inspector, the probe switches itself off, and says so once', async () => {
  const isNew = process.allowedNodeEnvironmentFlags.has('--permission')
  const { items, model } = await recordHot(
    [
      isNew ? '--permission' : '--experimental-permission',
      '--allow-fs-read=*',
      '--allow-fs-write=*',
      '--allow-worker',
    ],
    'exit',
  )
  expect(named(items, 'probe:off').map(({ fields }) => fields)).toEqual([
    { probe: 'samples', why: expect.stringMatching(/^V8's inspector can't be used: .*restricted/) as string },
  ])
  expect(model.threads[0].sampled).toBeUndefined()
})
