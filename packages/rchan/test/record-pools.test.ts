/** The probe `tasks`: pools that know nothing of rchan, each in its real releases. */
import { cpSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse } from '@rchan/analysis'
import { findTraces, openTrace, type TraceItem } from '@rchan/ctf/reader'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { freshFolder, runCommand } from './scenario.ts'

type Recorded = Extract<TraceItem, { event: unknown }>

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))

function program(name: string): string {
  return resolve(fileURLToPath(new URL('./record', import.meta.url)), name)
}

interface RecordedPool {
  readonly stdout: string
  readonly stderr: string
  readonly folder: string
  readonly records: Recorded[]
}

/** Records a program that uses a pool. @returns what it printed, and the records of its trace. */
async function recordPool(file: string, pool: string, ...args: string[]): Promise<RecordedPool> {
  return recordPoolWith([], file, pool, ...args)
}

/** The same, with options of the command. */
async function recordPoolWith(
  options: readonly string[],
  file: string,
  pool: string,
  ...args: string[]
): Promise<RecordedPool> {
  const dir = join(freshFolder(), 'recording')
  const { status, stdout, stderr } = await runCommand(process.execPath, [
    COMMAND,
    'record',
    '--dir',
    dir,
    ...options,
    '--',
    process.execPath,
    program(file),
    pool,
    ...args,
  ])
  expect({ status, stderr }).toMatchObject({ status: 0 })
  const [folder] = findTraces(dir)
  const records = [...openTrace(folder).items()].filter((item): item is Recorded => 'event' in item)
  expect(records.filter(({ event }) => event.name === 'probe:off')).toEqual([])
  return { stdout, stderr, folder, records }
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

test('a pool in a bundle whose names are short', async () => {
  const folder = freshFolder()
  await build({
    stdin: {
      contents: `
        const { Piscina } = require('piscina')
        class Own extends Piscina {
          run(...args) { return super.run(...args) }
        }
        const pool = new Own({ filename: __dirname + '/task.js', minThreads: 1, maxThreads: 1 })
        Promise.all(Array.from({ length: 20 }, (_, n) => pool.run(n))).then(async (all) => {
          await pool.destroy()
          console.log(all.join(' '))
        })`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    minify: true,
    platform: 'node',
    outfile: join(folder, 'bundle.js'),
  })
  // The file of its workers is found beside it, and that one's modules.
  const dist = dirname(createRequire(import.meta.url).resolve('piscina'))
  cpSync(dist, folder, { recursive: true })
  writeFileSync(join(folder, 'task.js'), 'module.exports = (n) => n * 2')
  const { stdout, records } = await recordPool(join(folder, 'bundle.js'), 'piscina')
  expect(stdout).toBe(`${Array.from({ length: 20 }, (_, n) => n * 2).join(' ')}\n`)
  const begun = [...byTask(records, 'task:begin').values()]
  expect(begun).toHaveLength(20)
  expect(new Set(begun.map(({ fields }) => fields.pool))).toEqual(new Set(['piscina-1']))
  expect(byTask(records, 'task:run').size).toBe(20)
  expect(named(records, 'pool:found').map(({ fields }) => fields)).toMatchObject([
    { kind: 'piscina', maxThreads: 1 },
  ])
})

describe.each([
  ['workerpool', 'workerpool', 'import'],
  ['workerpool', 'workerpool', 'require'],
  ['workerpool9', 'workerpool', 'import'],
  ['jest-worker', 'jest-worker', 'import'],
  ['jest-worker29', 'jest-worker', 'require'],
  ['poolifier', 'poolifier', 'import'],
  ['poolifier', 'poolifier', 'require'],
])('%s, %s, by %s', (pool, kind, way) => {
  test('each call is followed from its submission to its reply', async () => {
    const { stdout, records } = await recordPool('calls-pool.mjs', pool, way)
    expect(stdout).toBe('60 3526 seven 7\n')
    const begun = byTask(records, 'task:begin')
    const ended = byTask(records, 'task:end')
    const dispatched = byTask(records, 'task:dispatched')
    const runs = byTask(records, 'task:run')
    expect([begun.size, ended.size, dispatched.size, runs.size]).toEqual([60, 60, 60, 60])
    expect(byTask(records, 'task:replied').size).toBeGreaterThanOrEqual(58)
    for (const [id, run] of runs) {
      const end = ended.get(id)
      if (run.type !== 'span' || end?.type !== 'async') throw new Error('no span')
      const times = [begun.get(id)?.time, dispatched.get(id)?.time, run.start, run.end, end.time].map(Number)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      expect(dispatched.get(id)?.fields).toMatchObject({ pool: `${kind}-1`, threadId: run.thread.threadId })
      // The one that throws is the eighth, on both sides.
      const isEighth = Number(id) === 8
      expect([run.fields.name, run.outcome, end.outcome]).toEqual(
        isEighth ? ['fails', 'failed', 'failed'] : ['double', 'ok', 'ok'],
      )
    }
    const names = [...begun.values()].map(({ fields }) => fields.name)
    // poolifier does not tell the name of a task before it sends it.
    const queued = kind === 'poolifier' ? ['', 'double', 'fails'] : ['double', 'fails']
    expect(names.filter((name) => !queued.includes(String(name)))).toEqual([])
    expect(named(records, 'pool:found').map(({ fields }) => fields)).toEqual([
      { pool: `${kind}-1`, kind, minThreads: 2, maxThreads: 2, tasksPerThread: 1 },
    ])
    const counts = named(records, `pool:${kind}-1`).map(({ fields }) => fields)
    const most = Math.max(...counts.map(({ busy }) => Number(busy)))
    // One worker may have done all, before the other was ready.
    expect([1, 2]).toContain(most)
    expect(counts.at(-1)).toMatchObject({ queued: 0, busy: 0, threads: 2 })
  })
})

test.each([
  ['piscina', 'pool.mjs', '{ n: 7 }'],
  ['tinypool2', 'pool.mjs', '{ n: 7 }'],
  ['workerpool', 'calls-pool.mjs', '7'],
  ['jest-worker', 'calls-pool.mjs', '7'],
  ['poolifier', 'calls-pool.mjs', '7'],
])('%s: what each task was given, if that is asked for', async (pool, file, seventh) => {
  const without = await recordPoolWith(['--probe', 'all'], file, pool)
  expect(named(without.records, 'task:arguments')).toEqual([])
  const { records, folder, stderr } = await recordPoolWith(['--probe', 'arguments'], file, pool)
  const given = byTask(records, 'task:arguments')
  expect(new Set(given.keys())).toEqual(new Set(byTask(records, 'task:dispatched').keys()))
  const texts = [...given.values()].map(({ fields }) => fields.text)
  expect(new Set(texts).size).toBe(given.size)
  expect(texts).toContain(seventh)
  const { slowest } = analyse(openTrace(folder)).pools[0]
  for (const task of slowest) expect(task.arguments).toBe(given.get(task.id)?.fields.text)
  expect(stderr).toMatch(/^task .* arguments$/m)
})

test.each(['workerpool', 'workerpool9', 'jest-worker', 'jest-worker29'])(
  '%s with workers in child processes: when each gets a call, and when its result is there',
  async (pool) => {
    const { stdout, stderr, records } = await recordPool('calls-pool.mjs', pool, 'require', 'process')
    expect(stdout).toBe('60 3526 seven 7\n')
    const kind = pool.replace(/\d+$/, '')
    const begun = byTask(records, 'task:begin')
    const ended = byTask(records, 'task:end')
    const dispatched = byTask(records, 'task:dispatched')
    expect([begun.size, ended.size, dispatched.size]).toEqual([60, 60, 60])
    expect(byTask(records, 'task:run').size).toBe(0)
    for (const [id, { time, fields }] of dispatched) {
      const times = [begun.get(id)?.time, time, ended.get(id)?.time].map(Number)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      expect(fields).toMatchObject({ pool: `${kind}-1`, threadId: 0 })
    }
    const counts = named(records, `pool:${kind}-1`).map(({ fields }) => fields)
    expect(counts.at(-1)).toMatchObject({ queued: 0, busy: 0 })
    expect(Math.max(...counts.map(({ busy }) => Number(busy)))).toBeLessThanOrEqual(2)
    expect(stderr).toMatch(
      new RegExp(`^${kind}-1 of process \\d+: 60 tasks, .* in child processes, 1 failed$`, 'm'),
    )
    expect(stderr).toMatch(/^in a process +\d/m)
    expect(stderr).not.toMatch(/^result handled/m)
  },
)

test('jest-worker: a call that is about a file, as each of jest’s, is called after it', async () => {
  const { stdout, records } = await recordPool('calls-files.cjs', 'jest-worker')
  expect(stdout).toBe('16 16\n')
  const begun = [...byTask(records, 'task:begin').values()]
  expect(begun.map(({ fields }) => [fields.name, fields.file])).toEqual(
    ['a', 'b'].map((name) => [`${name}.test.js:worker`, `/tests/${name}.test.js`]),
  )
  expect(byTask(records, 'task:run').size).toBe(2)
})

test('workerpool: a call of `run` with a file, as each of mocha’s, is called after the file', async () => {
  const { stdout, records } = await recordPool('calls-run.mjs', 'workerpool')
  expect(stdout).toBe('17,19,13,17\n')
  const begun = [...byTask(records, 'task:begin').values()].map(({ fields }) => [fields.name, fields.file])
  expect(begun.filter(([name]) => name !== 'methods')).toEqual([
    ['a.spec.cjs', '/tests/a.spec.cjs'],
    ['b.spec.cjs', String.raw`C:\tests\b.spec.cjs`],
    ['run', ''],
    ['size', ''],
  ])
  expect(byTask(records, 'task:run').size).toBe(begun.length)
})

describe('what goes wrong in a pool', () => {
  test.each(['workerpool', 'jest-worker'])('%s: a worker that ends in a task', async (pool) => {
    const { stdout, records } = await recordPool('calls-ends.mjs', pool)
    expect(stdout).toBe('rejected 4\n')
    const ended = [...byTask(records, 'task:end').values()]
    expect(ended).toHaveLength(3)
    const failed = ended.filter((item) => item.type === 'async' && item.outcome === 'failed')
    expect(failed).toHaveLength(1)
    // Its run has no end: the thread has died in it.
    expect(
      named(records, 'task:run').filter((run) => run.type === 'span' && run.outcome === 'ok'),
    ).toHaveLength(2)
  })

  test('workerpool: last in, first out; cancelled tasks; functions; a queue that is full', async () => {
    const { stdout, records } = await recordPool('calls-odd.mjs', 'workerpool')
    expect(stdout).toBe('0,3,2,1 cancelled twice Max queue size of 4 reached true\n')
    const begun = byTask(records, 'task:begin')
    const ended = byTask(records, 'task:end')
    expect([begun.size, ended.size]).toEqual([7, 7])
    const failed = [...ended].filter(([, item]) => item.type === 'async' && item.outcome === 'failed')
    expect(failed.map(([id]) => Number(id)).toSorted((a, b) => a - b)).toEqual([5, 6])
    const runs = named(records, 'task:run').map(({ fields }) => [Number(fields.id), fields.name])
    expect(runs).toEqual([
      [1, 'double'],
      [4, 'double'],
      [3, 'double'],
      [2, 'double'],
      [7, 'run'],
    ])
    expect(begun.get(7n)?.fields.name).toBe('twice')
  })

  test('jest-worker: a rejection that nobody handles ends the program, as without us', async () => {
    const args = [program('calls-unhandled.cjs')]
    const alone = await runCommand(process.execPath, args)
    expect(alone.status).toBe(1)
    const dir = join(freshFolder(), 'recording')
    const recorded = await runCommand(process.execPath, [
      COMMAND,
      'record',
      '--dir',
      dir,
      '--',
      process.execPath,
      ...args,
    ])
    expect(recorded).toMatchObject({ status: 1, stdout: alone.stdout })
    expect(recorded.stderr).toContain('seven 1')
  })
})
