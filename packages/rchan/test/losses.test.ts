import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { needReader } from '../../../test/readers.ts'
import { babeltrace, fixture, freshFolder, readTrace, run, runCommand, summaryOf } from './scenario.ts'

const COUNT = 300_000

describe('every record that was not delivered is counted', () => {
  test('with buffers too small for the load: delivered + discarded = attempted', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const options = JSON.stringify({ bufferSize: 32 * 1024 })
    const summary = summaryOf(await run('overfull.mjs', [folder, '2', `${COUNT}`, options]))
    expect(summary.attempts).toBe(3 * COUNT)
    expect(summary.events + summary.discarded).toBe(summary.attempts)
    expect(summary.discardedBy).toEqual({ full: summary.discarded, tooBig: 0, bad: 0, noBuffer: 0 })
    expect(summary.discarded).toBeGreaterThan(0)
    expect(summary).toMatchObject({ overwritten: 0, torn: 0, unwritten: 0 })
    const { records, discarded } = readTrace(folder)
    expect(records.length).toBe(summary.events)
    expect(discarded).toBe(summary.discarded)
    expectEachOnceInOrder(records)
    expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: summary.discarded })
  })

  test('in overwrite mode: delivered + overwritten = attempted, and the newest are there', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const options = JSON.stringify({ bufferSize: 32 * 1024, mode: 'overwrite' })
    const summary = summaryOf(await run('overfull.mjs', [folder, '2', `${COUNT}`, options]))
    expect(summary.events + summary.overwritten).toBe(3 * COUNT)
    expect(summary).toMatchObject({ discarded: 0, torn: 0, unwritten: 0 })
    expect(summary.overwritten).toBeGreaterThan(0)
    const { records } = readTrace(folder)
    expectEachOnceInOrder(records)
    for (const thread of [0, 1, 2]) {
      expect(records.findLast(({ fields }) => fields.thread === thread)?.fields.step).toBe(COUNT - 1)
    }
    expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: summary.overwritten })
  })

  test('of threads that find no place', async (context) => {
    needReader(context, 'babeltrace2')
    const folder = join(freshFolder(), 'trace')
    const options = JSON.stringify({ possibleCpus: 2, bufferSize: 2 ** 24 })
    const summary = summaryOf(await run('overfull.mjs', [folder, '3', '5000', options]))
    expect(summary.events + summary.discarded).toBe(4 * 5000)
    expect(summary.discarded).toBe(summary.discardedBy.noBuffer)
    expect(babeltrace(folder)).toEqual({ events: summary.events, discarded: summary.discarded })
  })

  // In the units of the shell: 128 KiB, which no whole sub-buffer fits, and 512 KiB.
  for (const [blocks, what] of [
    [256, 'takes no more: the trace stays readable, and the summary says so'],
    [1024, 'takes short files only: the trace has more of them'],
  ] as const) {
    test(`when the disk ${what}`, async (context) => {
      needReader(context, 'babeltrace2')
      if (process.platform !== 'linux') context.skip('needs ulimit -f')
      const folder = join(freshFolder(), 'trace')
      const script = `ulimit -f ${blocks}; exec "$0" "$@"`
      const args = [fixture('overfull.mjs'), folder, '1', '100000', JSON.stringify({ bufferSize: 2 ** 22 })]
      const summary = summaryOf(await runCommand('sh', ['-c', script, process.execPath, ...args]))
      if (blocks === 256) {
        expect(summary.error).toMatch(/EFBIG/)
        expect(summary.unwritten).toBeGreaterThan(0)
      } else {
        expect(summary).toMatchObject({ unwritten: 0, cpus: 2 })
        expect(summary.error).toBeUndefined()
        expect(readdirSync(folder).filter((name) => name.startsWith('cpu_')).length).toBeGreaterThan(2)
      }
      expect(summary.events + summary.discarded + summary.unwritten).toBe(200_000)
      expect(readTrace(folder).records.length).toBe(summary.events)
      expect(babeltrace(folder)?.events).toBe(summary.events)
    })
  }
})

test('arguments that trace, throw or do not fit tear nothing, and each is written or counted', async (context) => {
  needReader(context, 'babeltrace2')
  const folder = join(freshFolder(), 'trace')
  for (const [i, [nodeArgs, options]] of [
    [[], {}],
    [['--disallow-code-generation-from-strings'], {}],
    [[], { buffers: 'global' }],
    [['--disallow-code-generation-from-strings'], { buffers: 'global' }],
  ].entries() as ArrayIterator<[number, [string[], object]]>) {
    const trace = join(folder, `${i}`)
    const summary = summaryOf(await run('bad-arguments.mjs', [trace, JSON.stringify(options)], nodeArgs))
    expect(summary.thrown).toEqual([])
    expect(summary.discardedBy).toEqual({ full: 0, tooBig: 1, bad: summary.bad, noBuffer: 0 })
    expect(summary.badArguments).toEqual([
      'fixture:outer: a could not be read: its getter threw',
      'fixture:u64: n=7.5 is no u64',
      'fixture:every: u8=256 is no u8',
    ])
    const { records, discarded } = readTrace(trace)
    expect(discarded).toBe(summary.discarded)
    expect(records.map(({ event, fields }) => [event.name, fields])).toEqual([
      [
        'fixture:every',
        {
          u8: 255,
          u16: 65535,
          u32: 2 ** 32 - 1,
          u64: 2n ** 64n - 1n,
          i8: -128,
          i16: -32768,
          i32: -(2 ** 31),
          i64: -(2n ** 63n),
          f32: 1.5,
          f64: -0.1,
          bool: true,
          string: 'höllo',
        },
      ],
      ['fixture:inner', { n: 1 }],
      ['fixture:outer', { a: 10, b: 'getter' }],
      ['fixture:inner', { n: 2 }],
      ['fixture:u64', { n: 7n }],
      ['fixture:text', { s: 'y'.repeat(200_000), after: 2 }],
      ['fixture:text', { s: 'ÿ€😀'.repeat(10_000), after: 3 }],
      ['fixture:text', { s: 'nul ␀ and half � a pair', after: 4 }],
      ['fixture:text', { s: '', after: 5 }],
    ])
    expect(babeltrace(trace)).toEqual({ events: records.length, discarded: summary.discarded })
  }
})

function expectEachOnceInOrder(records: ReturnType<typeof readTrace>['records']): void {
  const next = new Map<unknown, number>()
  for (const { fields } of records) {
    const step = fields.step as number
    if (step < (next.get(fields.thread) ?? 0) || fields.value !== step / 3) {
      throw new Error(`thread ${String(fields.thread)}: step ${step} after ${next.get(fields.thread)}`)
    }
    next.set(fields.thread, step + 1)
  }
}
