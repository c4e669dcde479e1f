import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RecordingSummary } from '@rchan/trace'
import { readTrace } from '../../rchan/test/scenario.ts'
import { freshFolder, namesIn, opened, printed, run, stepsOf, upTo } from './process.ts'

describe('recording after recording', () => {
  for (const [times, options] of [
    [20, {}],
    [8, { mode: 'overwrite', bufferSize: 32_768, possibleCpus: 5 }],
    [8, { buffers: 'global', possibleCpus: 5 }],
  ] as const) {
    test(`${times} times with workers that never stop tracing: each trace is whole, no event is in two ${JSON.stringify(options)}`, async () => {
      const folder = freshFolder()
      const { summaries, steps } = printed(
        await run('again.mjs', [folder, `${times}`, JSON.stringify(options)]),
      ) as { summaries: RecordingSummary[]; steps: number[] }
      expect(summaries.length).toBe(times)
      const all = new Map<number, number[]>()
      const cpus = new Set<number>()
      for (const [i, summary] of summaries.entries()) {
        const records = opened(summary, i % 5 !== 0)
        // Forbidden: a step twice, or out of order, in one trace or in two.
        stepsOf(records, all)
        expect(records.filter(({ fields }) => fields.thread === 0).length).toBe(100)
        for (const { fields } of records) cpus.add(fields.thread as number)
        expect(summary.discardedBy.noBuffer + summary.discardedBy.bad + summary.torn).toBe(0)
        // A call that the stop came into may end after the last look: one of each worker, at most.
        expect(summary.unwritten).toBeLessThanOrEqual(4)
      }
      expect(all.get(0)).toEqual(upTo(100 * times))
      // Threads from before, one of them a worker's worker, and one that came in the middle.
      expect([...cpus].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4])
      expect(all.get(1)?.at(-1)).toBeLessThanOrEqual(steps[0])
    })
  }

  test('a thread that found no place in one has one in the next, from its first event on', async () => {
    const { summaries } = printed(await run('no-place.mjs', [freshFolder()])) as {
      summaries: RecordingSummary[]
    }
    expect(summaries[0]).toMatchObject({ events: 0, discarded: 10, discardedBy: { noBuffer: 10 } })
    expect(summaries[1]).toMatchObject({ events: 10, discarded: 0 })
    opened(summaries[0])
    expect(stepsOf(opened(summaries[1]).slice(1)).get(1)).toEqual(upTo(9))
  })

  test('a thread that found no place gets that of a thread that ended, later in the same', async () => {
    const { attempts, late, ...summary } = printed(
      await run('retry.mjs', [join(freshFolder(), 'trace')]),
    ) as RecordingSummary & { attempts: number; late: number }
    const records = opened(summary)
    expect(summary.events + summary.discardedBy.noBuffer).toBe(attempts)
    expect(summary.perCpu).toMatchObject([{ cpu: 1, threads: [{ generation: 0 }, { generation: 1 }] }])
    const [first, second] = summary.perCpu[0].threads
    expect(
      records
        .filter(({ generation }) => generation === 0)
        .every(({ fields }) => fields.thread === first.threadId),
    ).toBe(true)
    const ofSecond = records.filter(({ generation }) => generation === 1)
    // From the moment that it has the place nothing is lost.
    expect(ofSecond.length).toBeGreaterThan(late)
    expect(ofSecond.every(({ fields }) => fields.thread === second.threadId)).toBe(true)
    expect(stepsOf(ofSecond).get(second.threadId)?.at(-1)).toBe(1 + attempts - 10)
  })
})

describe('a stop while main and two workers write at full speed', () => {
  for (const options of [
    {},
    { bufferSize: 32_768 },
    { mode: 'overwrite', bufferSize: 65_536 },
    { buffers: 'global' },
    { buffers: 'global', mode: 'overwrite', bufferSize: 65_536 },
  ]) {
    test(`keeps or counts each call that had returned, and comes to its end ${JSON.stringify(options)}`, async () => {
      const folder = join(freshFolder(), 'trace')
      const { before, after, ...summary } = printed(
        await run('full-speed.mjs', [folder, '2', '60', JSON.stringify(options)]),
      ) as RecordingSummary & { before: number[]; after: number[] }
      const { records, discarded } = readTrace(folder)
      expect(records.length).toBe(summary.events)
      const lost = summary.discarded + summary.overwritten + summary.unwritten
      expect(discarded).toBe(lost)
      expect(summary).toMatchObject({ torn: 0, discardedBy: { tooBig: 0, bad: 0, noBuffer: 0 } })
      // A thread that the system didn't let run in the middle of a call may end that call after the
      // last look.
      expect(summary.unwritten).toBeLessThanOrEqual(before.length - 1)
      const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)
      expect(summary.events + lost).toBeGreaterThanOrEqual(sum(before))
      expect(summary.events + lost).toBeLessThanOrEqual(sum(after))
      const next = new Map<unknown, number>()
      for (const { fields } of records) {
        const { thread, step, value } = fields as Record<string, number>
        // Forbidden: a torn record, a record twice, or out of order.
        if (step < (next.get(thread) ?? 0) || value !== step + 1)
          throw new Error(`thread ${thread}: step ${step}, value ${value}`)
        next.set(thread, step + 1)
      }
      // Calls after the stop are not there, whatever the mode.
      expect(next.get(0)).toBeLessThanOrEqual(before[0])
    })
  }
})

describe('a recording of a worker', () => {
  for (const how of ['exit', 'throw', 'terminate', 'terminate early']) {
    test(`whose thread ends (${how}) leaves a readable trace, keeps nobody waiting, and the next one is whole`, async () => {
      const folder = freshFolder()
      const summary = printed(await run('worker-records.mjs', [folder, how])) as RecordingSummary & {
        main: number
        steps: number
        stalls: number[]
      }
      expect(summary.stalls).toEqual([])
      const records = opened(summary)
      const steps = stepsOf(records)
      expect(steps.get(0)).toEqual(upTo(10).map((i) => summary.main - 10 + i))
      expect(steps.get(1)?.length).toBeGreaterThan(0)
      const first = stepsOf(readTrace(join(folder, 'first')).records)
      // A thread that ends in order has all its events in the trace. A terminated one loses the
      // events that were not flushed.
      if (!how.startsWith('terminate')) {
        expect(first.get(2)).toEqual(upTo(10))
        expect(first.get(0)?.slice(0, 10)).toEqual(upTo(10))
      }
    })
  }
})

test('two recordings in one process, of workers whose main thread does not know rchan, keep their threads apart', async () => {
  // The folders above are made by both at once.
  const folder = join(freshFolder(), 'above', 'them')
  const { summaries } = printed(await run('worlds.mjs', [folder, '5'])) as { summaries: RecordingSummary[][] }
  for (const [i, world] of summaries.entries()) {
    expect(world.length).toBe(5)
    for (const [round, summary] of world.entries()) {
      expect(summary).toMatchObject({ events: 10, discarded: 0 })
      const values = opened(summary).map(({ event, fields }) => [event.name, fields])
      expect(values).toEqual(
        upTo(10).map(() => [`fixture:world${i + 1}`, { world: i + 1, round: round + 1 }]),
      )
    }
  }
})

for (const when of ['before', 'after']) {
  test(`a program that traces what the file system does is not drawn into a recursion by a thread that comes online, replaced ${when} the import`, async () => {
    const args = [join(freshFolder(), 'trace'), when]
    const summary = printed(await run('reenter.mjs', args)) as RecordingSummary & { during: number }
    // Built-ins that a program replaces later are not called.
    expect(summary.during > 0).toBe(when === 'before')
    expect(summary.events).toBe(100)
    expect(summary.discardedBy.noBuffer).toBe(summary.during)
    opened(summary)
  })
}

test('two copies of the packages in one thread are one CPU, and each can record what both trace', async () => {
  const copies = mkdtempSync(join(tmpdir(), 'rchan test '))
  onTestFinished(() => rmSync(copies, { recursive: true, force: true }))
  for (const name of ['ring', 'threads', 'sync', 'runtime', 'ctf', 'trace']) {
    const from = fileURLToPath(new URL(`../../${name}/`, import.meta.url))
    const to = join(copies, 'node_modules', '@rchan', name)
    mkdirSync(to, { recursive: true })
    cpSync(join(from, 'dist'), join(to, 'dist'), { recursive: true })
    cpSync(join(from, 'package.json'), join(to, 'package.json'))
  }
  const copy = pathToFileURL(join(copies, 'node_modules/@rchan/trace/dist/index.js')).href
  const { summaries, refused } = printed(await run('copy.mjs', [freshFolder(), copy])) as {
    summaries: RecordingSummary[]
    refused: string[]
  }
  expect(refused.length).toBe(2)
  for (const message of refused)
    expect(message).toMatch(/runs already in this process \(started by this thread\)/)
  for (const summary of summaries) {
    expect(summary).toMatchObject({ events: 4000, discarded: 0, cpus: 2 })
    const steps = stepsOf(opened(summary))
    expect(steps.get(0)).toEqual(upTo(2000))
    expect(steps.get(1)).toEqual(upTo(2000))
  }
})

describe('the end of a recording, or of the process', () => {
  const cases: [how: string, status: number, events: number][] = [
    ['exit in a getter', 3, 100],
    ['exit listeners that trace', 0, 12],
    ['exit while it stops', 3, 100],
    ['stop in a getter', 0, 11],
    ['stop twice', 0, 10],
    ['dispose', 0, 10],
    ['start again', 0, 20],
    ['start at once', 0, 20],
    ['nothing to do', 0, 15],
  ]
  for (const [how, status, events] of cases) {
    test(`${how}: what was traced before is there, and the process ends by itself`, async () => {
      const folder = freshFolder()
      const ended = await run('endings.mjs', [folder, how])
      expect(ended, ended.stderr).toMatchObject({ status, stderr: '' })
      expect(readTrace(join(folder, 'trace')).records.length).toBe(events)
      if (ended.stdout === '') return
      const result = JSON.parse(ended.stdout) as {
        summary: RecordingSummary
        errors?: string[]
        same?: boolean
        started?: number
      }
      expect(opened(result.summary).length).toBe(events)
      if (how === 'stop twice') expect(result.same).toBe(true)
      if (how === 'start at once') expect(result.started).toBe(1)
      for (const error of result.errors ?? [])
        expect(error).toMatch(/can't record into .*(runs already|not empty)/)
      expect(namesIn(folder)).toEqual(['trace'])
    })
  }

  test('exit while it starts: no half trace stays behind', async () => {
    const folder = freshFolder()
    const ended = await run('endings.mjs', [folder, 'exit while it starts'])
    expect(ended).toMatchObject({ status: 3, stderr: '' })
    // Nothing, or a trace without events.
    if (namesIn(folder, 'trace').length > 0) expect(readTrace(join(folder, 'trace')).records).toEqual([])
  })

  for (const when of ['at once', 'later']) {
    test(`folder removed ${when}: the summary says so`, async () => {
      const folder = freshFolder()
      const { summary } = printed(await run('endings.mjs', [folder, `folder removed ${when}`])) as {
        summary: RecordingSummary
      }
      expect(summary.error).toMatch(when === 'later' ? /trace was removed/ : /ENOENT.*metadata/)
      if (when === 'at once') expect(summary).toMatchObject({ events: 0, unwritten: 10 })
      expect(namesIn(folder)).toEqual([])
    })
  }
})

describe('a consumer thread that fails', () => {
  interface Result {
    failed?: string
    started?: boolean
    stops?: (string | { error: string; cpus: { unwritten: number }[] })[]
    enabled: boolean
    listenersLeft: number
    summary: RecordingSummary
  }
  for (const [where, what] of [
    ['create: throw', 'start'],
    ['first prepare: exit', 'start'],
    ['prepare: throw', 'totals'],
    ['seal: throw', 'totals'],
    ['seal: exit', 'stop'],
    ['head: type error', 'totals'],
    ['tail: throw', 'totals'],
  ]) {
    test(`(${where}) is told by ${what}, switches tracing off, and the next recording works`, async () => {
      const folder = freshFolder()
      const result = printed(await run('consumer-fails.mjs', [folder, where])) as Result
      const said = /(thrown by the fixture|a type error of the fixture|the consumer thread ended before)/
      if (what === 'start') {
        expect(result.failed).toMatch(said)
      } else {
        expect(result.started).toBe(true)
        expect(result.stops?.length).toBe(2)
        for (const stop of result.stops ?? []) {
          expect(typeof stop).toBe(what === 'stop' ? 'string' : 'object')
          expect(typeof stop === 'string' ? stop : stop.error).toMatch(said)
        }
      }
      expect(result.enabled).toBe(false)
      expect(result.listenersLeft).toBe(0)
      const steps = stepsOf(opened(result.summary))
      expect(steps.get(0)).toEqual(upTo(100))
    })
  }
})

test('a consumer thread that fails before anything is on leaves nothing on', async () => {
  const result = printed(await run('fails-first.mjs', [freshFolder()]))
  expect(result).toEqual({ enabled: false, told: ['thrown by the fixture in create'] })
})

describe('a start that fails late', () => {
  for (const event of ['exit', 'worker']) {
    test(`(a listener of the program throws at "${event}") leaves nothing that runs`, async () => {
      const folder = freshFolder()
      const result = printed(await run('start-throws.mjs', [folder, event])) as {
        summary: RecordingSummary
      }
      expect(result).toMatchObject({
        failed: expect.stringContaining('thrown by the program') as string,
        enabled: false,
        threads: 0,
        listenersLeft: 0,
      })
      expect(namesIn(folder)).toEqual(['works'])
      expect(stepsOf(opened(result.summary)).get(0)).toEqual(upTo(100))
    })
  }
})
