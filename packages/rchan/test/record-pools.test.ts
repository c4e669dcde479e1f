/** The probe `tasks`: pools that know nothing of rchan, each in its real releases. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findTraces, openTrace, type TraceItem } from '@rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import { freshFolder, runCommand } from './scenario.ts'

type Recorded = Extract<TraceItem, { event: unknown }>

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))

function program(name: string): string {
  return fileURLToPath(new URL(`./record/${name}`, import.meta.url))
}

/** Records a program that uses a pool. @returns what it printed, and the records of its trace. */
async function recordPool(
  file: string,
  pool: string,
): Promise<{ stdout: string; stderr: string; records: Recorded[] }> {
  const dir = join(freshFolder(), 'recording')
  const { status, stdout, stderr } = await runCommand(process.execPath, [
    COMMAND,
    'record',
    '--dir',
    dir,
    '--',
    process.execPath,
    program(file),
    pool,
  ])
  expect({ status, stderr }).toMatchObject({ status: 0 })
  const [folder] = findTraces(dir)
  const records = [...openTrace(folder).items()].filter((item): item is Recorded => 'event' in item)
  expect(records.filter(({ event }) => event.name === 'probe:off')).toEqual([])
  return { stdout, stderr, records }
}

function named(records: readonly Recorded[], name: string): Recorded[] {
  return records.filter(({ event }) => event.name === name)
}

/** The records of a name by the id of their task. */
function byTask(records: readonly Recorded[], name: string): Map<bigint, Recorded> {
  const found = new Map<bigint, Recorded>()
  for (const record of named(records, name)) {
    const id = 'id' in record ? record.id : (record.fields.id as bigint)
    expect(found.has(id)).toBe(false)
    found.set(id, record)
  }
  return found
}

describe.each([
  ['piscina', 'piscina'],
  ['piscina4', 'piscina'],
  ['tinypool1', 'tinypool'],
  ['tinypool2', 'tinypool'],
])('%s', (pool, kind) => {
  test('each task is followed from its submission to its reply', async () => {
    const { stdout, records } = await recordPool('pool.mjs', pool)
    // What the program itself counts: 60 less one that throws and two that are aborted.
    expect(stdout).toMatch(/^57 seven \d+\n$/)
    const begun = byTask(records, 'task:begin')
    const ended = byTask(records, 'task:end')
    const dispatched = byTask(records, 'task:dispatched')
    const runs = byTask(records, 'task:run')
    const replied = byTask(records, 'task:replied')
    expect([begun.size, ended.size]).toEqual([60, 60])
    expect([dispatched.size, runs.size]).toEqual([58, 58])
    // A worker can be ended between its last reply and the event that tells of it.
    expect(replied.size).toBeGreaterThanOrEqual(56)
    expect(
      [...ended.values()].filter((item) => item.type === 'async' && item.outcome === 'failed'),
    ).toHaveLength(3)
    expect(
      [...runs.values()].filter((item) => item.type === 'span' && item.outcome === 'failed'),
    ).toHaveLength(1)

    for (const [id, run] of runs) {
      if (run.type !== 'span') throw new Error('no span')
      const times = [
        begun.get(id)?.time,
        dispatched.get(id)?.time,
        run.start,
        run.end,
        ended.get(id)?.time,
      ].map(Number)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      // Its event comes after the reply was posted, so the other thread may have handled it before.
      if (replied.has(id)) expect(Number(replied.get(id)?.time)).toBeGreaterThanOrEqual(Number(run.end))
      // Where the pool sent it, it ran.
      expect(dispatched.get(id)?.fields.threadId).toBe(run.thread.threadId)
      expect(run.fields.name).toBe('pool-task.mjs')
    }
    for (const begin of begun.values()) {
      expect(begin.fields).toMatchObject({ pool: `${kind}-1`, name: 'pool-task.mjs' })
    }
  })

  test('at the end it says how the pool did', async () => {
    const { stderr } = await recordPool('pool.mjs', pool)
    expect(stderr).toMatch(new RegExp(`^${kind}-1: 60 tasks, .* 3 failed$`, 'm'))
  })

  test('the pool’s own figures: its size, its queue, the tasks that run', async () => {
    const { records } = await recordPool('pool.mjs', pool)
    expect(named(records, 'pool:found').map(({ fields }) => fields)).toEqual([
      { pool: `${kind}-1`, kind, minThreads: 2, maxThreads: 2, tasksPerThread: 1 },
    ])
    const counts = named(records, `pool:${kind}-1`).map(({ fields }) => fields)
    expect(Math.max(...counts.map(({ queued }) => Number(queued)))).toBeGreaterThan(50)
    expect(counts.at(-1)).toMatchObject({ queued: 0, busy: 0 })
  })

  test('a task’s flow leads from its submission through its worker and back', async () => {
    const { records } = await recordPool('pool.mjs', pool)
    const ways = new Map<bigint, string[]>()
    for (const item of named(records, 'task:flow')) {
      if (item.type !== 'flow') throw new Error('no flow')
      ways.set(item.id, [...(ways.get(item.id) ?? []), item.phase])
    }
    expect(ways.size).toBe(58)
    expect(new Set([...ways.values()].map((way) => way.join(' ')))).toEqual(new Set(['start step end']))
  })
})

test.each(['piscina', 'piscina4'])('%s as CommonJS, extended, on a worker thread', async (pool) => {
  const { stdout, records } = await recordPool('pool.cjs', pool)
  expect(stdout).toBe('20 20\n')
  const begun = byTask(records, 'task:begin')
  expect([begun.size, byTask(records, 'task:run').size]).toEqual([20, 20])
  const [{ fields, thread }] = begun.values()
  expect(thread.threadId).toBeGreaterThan(0)
  expect(fields).toMatchObject({ pool: `piscina-1/${thread.threadId}`, name: 'pool-task.mjs:quick' })
})
