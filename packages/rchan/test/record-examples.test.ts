/** Programs like the examples that come with pools, recorded as they are. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findTraces, openTraces, type TraceItem } from '@rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import { countEvents, hasReader } from '../../../test/readers.ts'
import { freshFolder, runCommand } from './scenario.ts'

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))

type Recorded = Extract<TraceItem, { event: unknown }>

describe.each([
  ['piscina.mjs', 'piscina'],
  ['piscina.mjs', 'piscina4'],
  ['tinypool.mjs', 'tinypool1'],
  ['tinypool.mjs', 'tinypool2'],
  ['workerpool.mjs', 'workerpool'],
])('%s with %s', (program, pool) => {
  test('does what it does without us, and each of its tasks is in the trace', async () => {
    const args = [fileURLToPath(new URL(`./record/examples/${program}`, import.meta.url)), pool]
    const alone = await runCommand(process.execPath, args)
    expect(alone.status).toBe(0)
    const dir = join(freshFolder(), 'recording')
    const command = [COMMAND, 'record', '--dir', dir, '--', process.execPath, ...args]
    const { status, stdout, stderr } = await runCommand(process.execPath, command)
    expect({ status, stdout }).toEqual({ status: 0, stdout: alone.stdout })
    expect(stderr.startsWith(alone.stderr)).toBe(true)

    const folders = findTraces(dir)
    const records = [...openTraces(folders).items()].filter((item): item is Recorded => 'event' in item)
    const named = (name: string): Recorded[] => records.filter(({ event }) => event.name === name)
    expect(named('probe:off')).toEqual([])
    const tasks = Number(/^tasks: (\d+)$/m.exec(stdout)?.[1])
    expect(named('task:begin')).toHaveLength(tasks)
    expect(named('task:end')).toHaveLength(tasks)
    // And no pool believes that it still has some.
    const figures = new Map(
      records.flatMap((item) => (item.event.kind === 'counter' ? [[item.event.name, item.fields]] : [])),
    )
    for (const [name, values] of figures) {
      if (name.startsWith('pool:')) expect({ name, ...values }).toMatchObject({ queued: 0, busy: 0 })
    }
    if (!hasReader('babeltrace2')) return
    const written = records.filter((item) => !(item.type === 'span' && item.outcome === 'cut'))
    expect(countEvents('babeltrace2', folders)).toBe(written.length)
  })
})
