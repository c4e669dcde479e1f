/** The probes `io`, `threads` and `cpu`, and what a task's records say of its size and memory. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse } from '@rchan/analysis'
import { findTraces, openTraces, type TraceItem } from '@rchan/ctf/reader'
import { expect, test } from 'vitest'
import { freshFolder, runCommand } from './scenario.ts'

type Recorded = Extract<TraceItem, { event: unknown }>

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))

function program(name: string): string {
  return fileURLToPath(new URL(`./record/${name}`, import.meta.url))
}

async function recorded(file: string): Promise<{ stdout: string; dir: string; records: Recorded[] }> {
  const dir = join(freshFolder(), 'recording')
  const command = [COMMAND, 'record', '--dir', dir, '--', process.execPath, program(file)]
  const { status, stdout, stderr } = await runCommand(process.execPath, command)
  expect({ status, stderr }).toMatchObject({ status: 0 })
  const records = [...openTraces(findTraces(dir)).items()].filter((item): item is Recorded => 'event' in item)
  expect(records.filter(({ event }) => event.name === 'probe:off')).toEqual([])
  return { stdout, dir, records }
}

function named(records: readonly Recorded[], name: string): Recorded[] {
  return records.filter(({ event }) => event.name === name)
}

test('requests, look-ups and connections, and the program’s own measures and timers, are spans', async () => {
  const { stdout, records } = await recorded('io.cjs')
  expect(stdout).toMatch(/^work: .*\ndefault: .*\ntrue true time 0\n$/)
  const spans = (name: string): Recorded[] =>
    named(records, name).filter((item) => item.type === 'span' && item.end >= item.start && item.start > 0n)
  expect(spans('http:request').map(({ fields }) => fields)).toEqual([
    { method: 'GET', url: '/by-http', status: 203 },
    { method: 'GET', url: '/by-fetch', status: 203 },
  ])
  expect(spans('http:client').map(({ fields }) => fields)).toEqual([
    { method: 'GET', url: expect.stringMatching(/\/by-http$/) as string, status: 203 },
  ])
  const [fetched, ...others] = spans('fetch')
  expect(others).toEqual([])
  expect(fetched.fields.url).toMatch(/^http:.*\/by-fetch$/)
  // Node 20 does not tell the status.
  expect([0, 203]).toContain(fetched.fields.status)
  expect(spans('dns').map(({ fields }) => fields.host)).toContain('localhost')
  expect(spans('net').length).toBeGreaterThan(0)
  expect(spans('user:measure').map(({ fields }) => fields)).toEqual([{ name: 'measured' }])
  expect(named(records, 'user:mark').map(({ fields }) => fields)).toEqual([{ name: 'begun' }])
  expect(spans('user:time').map(({ fields }) => fields)).toEqual([{ name: 'work' }, { name: 'default' }])
  // The timer began before the measure, and ended after it: they have one clock.
  const [timer] = spans('user:time')
  const [measure] = spans('user:measure')
  if (timer.type !== 'span' || measure.type !== 'span') throw new Error('no spans')
  expect(timer.start < measure.start && measure.end < timer.end).toBe(true)
})

test('a task has its size, its worker its limits, and its memory though it never returns to its loop', async () => {
  const { stdout, dir, records } = await recorded('sizes.mjs')
  expect(stdout).toBe('done\n')
  const sizes = named(records, 'task:dispatched').map(({ fields }) => fields.size)
  expect(sizes.slice(0, 5)).toEqual([3_000_000, 1500, 0, 2000, 0])
  expect(sizes.at(-1)).toBe(70)

  const [life] = named(records, 'worker:life:begin')
  expect(life.fields).toMatchObject({ heapLimitMb: 150, stackMb: 2 })
  const memory = named(records, 'memory').filter(
    ({ thread }) => thread.threadId === Number(life.fields.threadId),
  )
  expect(memory.length).toBeGreaterThanOrEqual(3)
  for (const { fields } of memory) {
    const [used, limit] = [Number(fields.heapUsed), Number(fields.heapLimit)]
    expect(used).toBeGreaterThan(0)
    expect(limit).toBeGreaterThan(used)
    expect(limit).toBeLessThan(400 * 2 ** 20)
  }
  // The worker has read the messages itself; in the other pool its event loop has.
  const runs = named(records, 'task:run')
  const own = runs.filter(({ thread }) => thread === memory[0].thread)
  expect(own).toHaveLength(30)
  expect(own.every(({ fields }) => Number(fields.read) > 0)).toBe(true)
  expect(runs.at(-1)?.thread).not.toBe(memory[0].thread)
  expect(runs.at(-1)?.fields.read).toBe(0n)
  const [pool] = analyse(openTraces(findTraces(dir)), { slowest: 100 }).pools
  const [large] = pool.slowest.filter(({ size }) => size === 3_000_000)
  expect(large).toBeDefined()
  const [later] = pool.slowest.filter(({ woken }) => woken !== undefined)
  expect(Number(later.woken)).toBeLessThanOrEqual(Number(later.started))
  expect(Number(later.woken)).toBeGreaterThan(0)
})

test.runIf(process.platform === 'linux')(
  'what the process uses of CPUs, and what the machine does not',
  async () => {
    const { stdout, records } = await recorded('helpers.mjs')
    const said = JSON.parse(stdout) as { time: string; used: number }
    const all = named(records, 'cpu:all').map(({ time, fields }) => ({
      time,
      used: Number(fields.used),
      idle: Number(fields.machineIdle),
    }))
    expect(all.length).toBeGreaterThan(2)
    for (const [index, { time, used, idle }] of all.slice(1).entries()) {
      const before = all[index]
      expect(used).toBeGreaterThanOrEqual(before.used)
      expect(idle).toBeGreaterThanOrEqual(before.idle)
      if (time < BigInt(said.time)) expect(used).toBeLessThanOrEqual(said.used)
    }
    const last = all[all.length - 1]
    expect(last.time).toBeGreaterThan(BigInt(said.time))
    expect(last.used).toBeGreaterThanOrEqual(said.used)
    // More than its threads that run JavaScript: those of libuv have computed.
    const ofThreads = new Map(
      named(records, 'cpu').map(({ fields }) => [fields.threadId, Number(fields.onCpu)]),
    )
    const sum = [...ofThreads.values()].reduce((total, onCpu) => total + onCpu, 0)
    expect(sum).toBeGreaterThan(0)
    expect(last.used).toBeGreaterThan(sum)
  },
)
