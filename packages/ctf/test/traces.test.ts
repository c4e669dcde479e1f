/** Random traces that the fixture writes. Our reader and other readers read them. */
import * as fc from 'fast-check'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  openTrace,
  parseMetadata,
  type CpuLosses,
  type DecodedValue,
  type TraceRecord,
} from '@rchan/ctf/reader'
import { metadataText } from '@rchan/ctf'
import { countEvents, needReader, runReader } from '../../../test/readers.js'
import { anyGlobalTrace, anyTrace, temporaryFolder, writeTrace, type FixtureTrace } from './fixture.js'

const PRINT_TRACE = fileURLToPath(new URL('print-trace.py', import.meta.url))
const SEED = Number(process.env.RCHAN_SEED ?? 20260101)

/** The expected records of a trace: sorted by time, then by CPU, then as written. */
function expectedRecords(trace: FixtureTrace): TraceRecord[] {
  return trace.streams
    .flatMap(({ cpu, packets }) =>
      packets.flatMap(({ generation, threadId, records }) =>
        records.map(({ event, time, by, values }) => ({
          time,
          ...(by === undefined ? { cpu, generation, threadId } : { ...by, generation: -1 }),
          threadName: nameOf(trace, by?.threadId ?? threadId),
          event,
          fields: Object.fromEntries(event.fields.map(({ name }, i) => [name, values[i]])),
        })),
      ),
    )
    .sort((a, b) => (a.time === b.time ? order(trace, a, b) : a.time < b.time ? -1 : 1))
}

function nameOf({ threads = [] }: FixtureTrace, threadId: number): string {
  return threads.find(({ first, last }) => first <= threadId && threadId <= last)?.name ?? ''
}

/** In a global trace, records of one time stay as they were written. */
function order({ global }: FixtureTrace, a: TraceRecord, b: TraceRecord): number {
  return global === true ? 0 : a.cpu - b.cpu
}

function expectedLosses(trace: FixtureTrace): CpuLosses[] {
  return trace.streams
    .filter(({ packets }) => packets.length > 0)
    .map(({ cpu, packets }) => ({
      cpu,
      eventsDiscarded: packets.at(-1)!.eventsDiscarded,
      packetsLost: packets.at(-1)!.sequence + 1 - packets.length,
    }))
}

test('a trace is read back as it was written: every schema, every value, every stream, every loss', () => {
  using folder = temporaryFolder()
  let number = 0
  fc.assert(
    fc.property(fc.oneof(anyTrace, anyGlobalTrace), (trace) => {
      const path = join(folder.path, String((number += 1)))
      writeTrace(path, trace)
      const open = openTrace(path)
      const { uuid, clock, env, events } = trace
      expect({ uuid: open.uuid, clock: open.clock, env: open.env, events: open.events }).toStrictEqual({
        uuid,
        clock,
        env,
        events,
      })
      expect([...open.records()]).toStrictEqual(expectedRecords(trace))
      expect(open.losses()).toStrictEqual(expectedLosses(trace))
      expect(open.streams).toStrictEqual(
        trace.streams.filter(({ packets }) => packets.length > 0).map(({ file, cpu }) => ({ file, cpu })),
      )
    }),
    { numRuns: 300 },
  )
})

test('metadata is read back as it was written, whatever the schemas', () => {
  fc.assert(
    fc.property(fc.oneof(anyTrace, anyGlobalTrace), ({ uuid, clock, env, events, ...more }) => {
      const input = { uuid, clock, env, events, ...(more.global === true ? { global: true as const } : {}) }
      expect(parseMetadata(metadataText(input), 'metadata')).toStrictEqual(input)
    }),
    { numRuns: 500 },
  )
})

test('a thread that came after a trace was opened has its name, and one that has none has none', () => {
  using folder = temporaryFolder()
  const hasRecords = anyTrace.filter(({ streams }) =>
    streams.some(({ packets }) => packets.some(({ records }) => records.length > 0)),
  )
  const [trace] = fc.sample(hasRecords, { numRuns: 1, seed: SEED })
  writeTrace(folder.path, { ...trace, threads: [] })
  const open = openTrace(folder.path)
  for (const { threadName } of open.records()) expect(threadName).toBe('')
  const threads = [{ name: 'new', first: 0, last: 2 ** 32 - 1 }]
  writeFileSync(join(folder.path, 'metadata'), metadataText({ ...trace, threads }))
  for (const { threadName } of open.records()) expect(threadName).toBe('new')
})

describe.each([
  ['a stream for each CPU', anyTrace],
  ['one stream of all CPUs', anyGlobalTrace],
])(`the readers of others, on 60 random traces with %s (RCHAN_SEED=${SEED})`, (_name, arbitrary) => {
  const traces = fc.sample(arbitrary, { seed: SEED, numRuns: 60 })
  const eventCount = traces.reduce((all, trace) => all + expectedRecords(trace).length, 0)
  const folder = temporaryFolder()
  const paths = traces.map((_, i) => join(folder.path, String(i)))

  beforeAll(() => {
    for (const [i, trace] of traces.entries()) writeTrace(paths[i], trace)
  })
  afterAll(() => folder[Symbol.dispose]())

  test('babeltrace2 accepts them and counts every event', (context) => {
    needReader(context, 'babeltrace2')
    expect(eventCount).toBeGreaterThan(200)
    expect(countEvents('babeltrace2', paths)).toBe(eventCount)
  })

  test('babeltrace 1.5 accepts them and counts every event', (context) => {
    needReader(context, 'babeltrace')
    expect(countEvents('babeltrace', paths)).toBe(eventCount)
  })

  test('python3-bt2 decodes the same values and the same losses', (context) => {
    needReader(context, 'python3-bt2')
    const run = runReader('python3-bt2', [PRINT_TRACE, ...paths])
    expect(run.status, run.stderr).toBe(0)
    const lines = run.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as PrintedLine)
    for (const [i, trace] of traces.entries()) {
      const printed = lines.filter((line) => line.trace === i)
      const events = printed.filter((line) => line.fields !== undefined)
      const cpus = new Set(expectedRecords(trace).map(({ cpu }) => cpu))
      expect(events.every(({ cpu }) => cpus.has(cpu as number))).toBe(true)
      for (const cpu of cpus) {
        const ours = expectedRecords(trace).filter((record) => record.cpu === cpu)
        expect(events.filter((line) => line.cpu === cpu)).toStrictEqual(
          ours.map((record) => printedForm(i, record)),
        )
      }
      expect(events.map((line) => line.time)).toStrictEqual(
        expectedRecords(trace).map(({ time }) => String(time)),
      )
      for (const { cpu, eventsDiscarded, packetsLost } of openTrace(paths[i]).losses()) {
        const lost = printed.filter((line) => line.cpu === Math.max(cpu, 0))
        expect(sum(lost.map((line) => line.discarded_events))).toBe(eventsDiscarded)
        expect(sum(lost.map((line) => line.discarded_packets))).toBe(packetsLost)
      }
    }
  })
})

function sum(counts: readonly (number | undefined)[]): number {
  return counts.reduce<number>((all, count) => all + (count ?? 0), 0)
}

/** A line of print-trace.py. */
interface PrintedLine {
  readonly trace: number
  readonly cpu?: number
  readonly time?: string
  readonly fields?: readonly [string, string][]
  readonly discarded_events?: number
  readonly discarded_packets?: number
}

function printedForm(
  trace: number,
  { time, cpu, generation, threadId, threadName, event, fields }: TraceRecord,
): unknown {
  return {
    trace,
    time: String(time),
    cpu,
    generation,
    threadId,
    threadName,
    id: String(event.id),
    name: event.name,
    fields: event.fields.map(({ name, type }) => [
      name,
      type === 'f32' || type === 'f64' ? realForm(fields[name] as number) : plainForm(fields[name]),
    ]),
  }
}

function realForm(real: number): string {
  if (Number.isNaN(real)) return 'nan'
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(real)
  return bytes.toString('hex')
}

function plainForm(value: DecodedValue): string {
  return typeof value === 'boolean' ? String(Number(value)) : String(value)
}
