/**
 * Random schemas of all types and kinds, traced by several threads: what python3-bt2 decodes, what
 * our reader decodes, and what was traced must be the same. The same holds for a copy that
 * babeltrace2's `sink.ctf.fs` writes.
 *
 * RCHAN_DIFFERENTIAL: how many recordings, by default 4. RCHAN_SEED: which ones.
 */
import * as fc from 'fast-check'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import { describe, expect, test } from 'vitest'
import { LEVELS, type FieldType, type Kind, type Level } from '@rchan/ctf'
import { findTraces, openTrace, type TraceItem, type TraceRecord } from '@rchan/ctf/reader'
import type { RecordingSummary } from '@rchan/trace'
import { hasReader, needReader, runReader } from '../../../test/readers.ts'
import { printTraces, valuesOf, type PrintedTrace } from '../../ctf/test/printed-values.ts'
import { anyType, readBack, valueOf } from './any-type.ts'
import { freshFolder, printed, run } from './process.ts'

const RUNS = Number(process.env.RCHAN_DIFFERENTIAL ?? 4)
const SEED = Number(process.env.RCHAN_SEED ?? 20260101)

type Fields = Readonly<Record<string, FieldType>>
type Values = Readonly<Record<string, unknown>>

/** A tracepoint of any kind. An asynchronous span has two sets of fields. */
interface PlannedSchema {
  readonly kind: 'event' | 'span' | 'async' | 'flow' | 'counter'
  readonly name: string
  readonly level: Level
  readonly fields: Fields | { readonly begin: Fields; readonly end: Fields }
}

/** A call, and the record that it must make. */
interface PlannedCall {
  readonly which: number
  readonly op: string
  readonly args: readonly unknown[]
  readonly kind: Kind
  readonly name: string
  /** With the fields of its kind. Those whose values are not known before are left out. */
  readonly expected: Readonly<Record<string, unknown>>
}

interface Plan {
  readonly schemas: readonly PlannedSchema[]
  readonly threads: readonly (readonly PlannedCall[])[]
}

const anyFields: fc.Arbitrary<Fields> = fc
  .array(anyType(), { maxLength: 6 })
  .map((types) => Object.fromEntries(types.map((type, i) => [`f${i}`, type])))
const numberFields: fc.Arbitrary<Fields> = fc
  .array(fc.constantFrom('u8', 'i16', 'u32', 'u64', 'f32', 'f64'), { minLength: 1, maxLength: 4 })
  .map((types) => Object.fromEntries(types.map((type, i) => [`f${i}`, type as FieldType])))

function anySchema(index: number): fc.Arbitrary<PlannedSchema> {
  const level = fc.constantFrom(...(Object.keys(LEVELS) as Level[]))
  const of = (kind: PlannedSchema['kind'], fields: fc.Arbitrary<PlannedSchema['fields']>) =>
    fc.record({ kind: fc.constant(kind), name: fc.constant(`test:${kind}${index}`), level, fields })
  return fc.oneof(
    { arbitrary: of('event', anyFields), weight: 4 },
    of('span', anyFields),
    of('async', fc.record({ begin: anyFields, end: anyFields })),
    of('flow', anyFields),
    of('counter', numberFields),
  )
}

function valuesFor(fields: Fields): fc.Arbitrary<Values> {
  return fc.record(Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, valueOf(type)])))
}

function back(fields: Fields, values: Values): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, type]) => [name, readBack(type, values[name])]),
  )
}

const anyId = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const anyTime = fc.bigInt({ min: 0n, max: 2n ** 62n })

/** A call of a tracepoint. */
function anyCall({ kind, name, fields }: PlannedSchema, which: number): fc.Arbitrary<PlannedCall> {
  const call = (op: string, of: Kind, args: unknown[], expected: object): PlannedCall => ({
    which,
    op,
    args,
    kind: of,
    name: of.startsWith('async') ? `${name}:${of.slice('async-'.length)}` : name,
    expected: { ...expected },
  })
  if (kind === 'async') {
    const { begin, end } = fields as { readonly begin: Fields; readonly end: Fields }
    return fc.oneof(
      fc
        .tuple(anyId, valuesFor(begin))
        .map(([id, values]) => call('begin', 'async-begin', [id, values], { id, ...back(begin, values) })),
      fc.tuple(anyId, valuesFor(end), fc.boolean()).map(([id, values, isOk]) =>
        call(isOk ? 'end' : 'fail', 'async-end', [id, values], {
          id,
          outcome: isOk ? 'ok' : 'failed',
          ...back(end, values),
        }),
      ),
    )
  }
  const own = fields as Fields
  const values = valuesFor(own)
  switch (kind) {
    case 'event':
      return fc.oneof(
        { arbitrary: values.map((of) => call('call', 'event', [of], back(own, of))), weight: 4 },
        fc
          .tuple(anyTime, values)
          .map(([at, of]) => call('at', 'late-event', [at, of], { at, ...back(own, of) })),
      )
    case 'span':
      return fc.tuple(anyTime, anyTime, values).map(([a, b, of]) => {
        const [start, end] = a < b ? [a, b] : [b, a]
        const system = { start, duration: end - start, outcome: 'ok' }
        return call('between', 'span', [start, end, of], { ...system, ...back(own, of) })
      })
    case 'flow':
      return fc
        .tuple(anyId, fc.constantFrom('start', 'step', 'end'), values)
        .map(([id, phase, of]) => call(phase, 'flow', [id, of], { id, phase, ...back(own, of) }))
    default:
      return values.map((of) => call('call', 'counter', [of], back(own, of)))
  }
}

const anyPlan: fc.Arbitrary<Plan> = fc
  .integer({ min: 3, max: 8 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, i) => anySchema(i))))
  .chain((schemas) => {
    const calls = fc.array(fc.oneof(...schemas.map((schema, i) => anyCall(schema, i))), {
      minLength: 20,
      maxLength: 150,
      size: 'max',
    })
    return fc.record({
      schemas: fc.constant(schemas),
      threads: fc.array(calls, { minLength: 2, maxLength: 4 }),
    })
  })

interface Recorded {
  readonly path: string
  readonly summary: RecordingSummary
}

async function traced(plan: Plan, options: object): Promise<Recorded> {
  const folder = freshFolder()
  const path = join(folder, 'trace')
  const planPath = join(folder, 'plan')
  writeFileSync(planPath, serialize({ ...plan, threads: plan.threads.map((calls) => calls.map(bare)) }))
  const summary = printed(await run('differential.mjs', [path, JSON.stringify(options), planPath]))
  return { path, summary: summary as RecordingSummary }
}

function bare({ which, op, args }: PlannedCall): object {
  return { which, op, args }
}

/** The records of a thread of the plan. */
function ofThread(records: readonly TraceRecord[], thread: number): TraceRecord[] {
  return records.filter(({ threadName }) => threadName === `thread ${thread}`)
}

/** What a record says, in the form of {@link PlannedCall}. */
function said({ event, fields }: TraceRecord): Pick<PlannedCall, 'kind' | 'name' | 'expected'> {
  return { kind: event.kind ?? 'event', name: event.name, expected: fields }
}

/** Checks that babeltrace2 has the same records, in the same order, and the same losses. */
function compare(path: string, records: readonly TraceRecord[], other: PrintedTrace): void {
  const trace = openTrace(path)
  const classes = new Map(trace.events.map((event) => [event.id, event]))
  const others = new Map<string, object[]>()
  for (const { ns, id, name, context, fields } of other.events) {
    const thread = context.thread_id as { readonly enum: readonly [readonly string[], string] }
    const key = thread.enum[0][0]
    const list = others.get(key) ?? []
    others.set(key, list)
    list.push({ ns, name, fields: valuesOf(classes.get(id)?.fields ?? [], fields) })
  }
  const ours = new Map<string, object[]>()
  for (const { time, threadName, event, fields } of records) {
    const list = ours.get(threadName) ?? []
    ours.set(threadName, list)
    list.push({ ns: trace.wallClock(time), name: event.name, fields })
  }
  expect([...others.keys()].sort()).toEqual([...ours.keys()].sort())
  for (const [thread, list] of ours) {
    const theirs = others.get(thread) ?? []
    for (const [i, record] of list.entries()) expect(record).toStrictEqual(theirs[i])
    expect(theirs).toHaveLength(list.length)
  }
  expect(records.map(({ time }) => trace.wallClock(time))).toStrictEqual(other.events.map(({ ns }) => ns))
  const lost = trace.losses()
  expect(lost.reduce((sum, { eventsDiscarded }) => sum + eventsDiscarded, 0)).toBe(other.discardedEvents)
  expect(lost.reduce((sum, { packetsLost }) => sum + packetsLost, 0)).toBe(other.discardedPackets)
}

/** Items without what a copy has of its own. */
function comparable(items: Iterable<TraceItem>): unknown[] {
  return [...items].map((item) => ({
    ...item,
    ...('thread' in item && { thread: { ...item.thread, process: item.thread?.process.pid } }),
  }))
}

describe.each([['per-thread'], ['global']] as const)(
  `${RUNS} random recordings with buffers %s (RCHAN_SEED=${SEED}, RCHAN_DIFFERENTIAL=${RUNS})`,
  (buffers) => {
    const plans = fc.sample(anyPlan, { seed: SEED, numRuns: RUNS })

    test.each(plans.map((plan, i) => [i, plan] as const))(
      'recording %i has what was traced, in our reader, in python3-bt2, and in the copy by sink.ctf.fs',
      async (_i, plan) => {
        const { path, summary } = await traced(plan, { buffers, bufferSize: 2 ** 22 })
        expect(summary.discarded).toBe(0)
        const records = [...openTrace(path).records()]
        for (const [thread, calls] of plan.threads.entries()) {
          const own = ofThread(records, thread)
          for (const [i, { kind, name, expected }] of calls.entries()) {
            expect(said(own[i])).toStrictEqual({ kind, name, expected })
          }
          expect(own).toHaveLength(calls.length)
        }
        if (hasReader('python3-bt2')) compare(path, records, printTraces([path])[0])
        if (hasReader('babeltrace2')) compareCopy(path)
      },
      60_000,
    )

    test('they are seen by other readers', (context) => {
      needReader(context, 'python3-bt2')
      needReader(context, 'babeltrace2')
    })

    test('a recording that loses events has the same records and losses in python3-bt2', async (context) => {
      needReader(context, 'python3-bt2')
      const [plan] = fc.sample(anyPlan, { seed: SEED + 1, numRuns: 1 })
      const threads = plan.threads.map((calls) =>
        Array.from({ length: 8000 }, (_, i) => calls[i % calls.length]),
      )
      const many = { ...plan, threads }
      const { path, summary } = await traced(many, { buffers, bufferSize: 2 ** 16, flushIntervalMs: 60_000 })
      const records = [...openTrace(path).records()]
      expect(records.length).toBe(summary.events)
      expect(summary.discarded).toBeGreaterThan(0)
      compare(path, records, printTraces([path])[0])
      for (const [thread, calls] of threads.entries()) checkSubsequence(ofThread(records, thread), calls)
      if (hasReader('babeltrace2')) compareCopy(path)
    }, 60_000)
  },
)

/** Checks that records are some of the calls, in their order. */
function checkSubsequence(records: readonly TraceRecord[], calls: readonly PlannedCall[]): void {
  let at = 0
  for (const record of records) {
    const { kind, name, expected } = said(record)
    const text = form({ kind, name, expected })
    while (at < calls.length && formOf(calls[at]) !== text) at += 1
    expect(at, `${text} was not traced here`).toBeLessThan(calls.length)
    at += 1
  }
}

const forms = new WeakMap<PlannedCall, string>()

function formOf(call: PlannedCall): string {
  let text = forms.get(call)
  if (text === undefined) {
    const { kind, name, expected } = call
    forms.set(call, (text = form({ kind, name, expected })))
  }
  return text
}

function form(value: object): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint') return `${each}n`
    return typeof each === 'number' ? `${Object.is(each, -0) ? '-0' : each}` : each
  })
}

/** Has babeltrace2 write a trace anew, and checks that our reader has the same of both. */
function compareCopy(path: string): void {
  const copy = join(freshFolder(), 'copy')
  const written = runReader('babeltrace2', ['--output-format=ctf', `--output=${copy}`, path])
  expect(written.status, written.stderr).toBe(0)
  const [folder] = findTraces(copy)
  const [ours, others] = [openTrace(path), openTrace(folder)]
  const items = comparable(others.items())
  for (const [i, item] of comparable(ours.items()).entries()) {
    expect(withoutOldTexts(items[i], item)).toStrictEqual(item)
  }
  expect(items).toHaveLength([...ours.items()].length)
  expect(others.losses()).toStrictEqual(ours.losses())
  expect(others.facts).toStrictEqual(ours.facts)
  expect(others.clock).toStrictEqual(ours.clock)
}

/**
 * babeltrace2 2.0.4 writes an empty string as the text that another event had in the same field
 * (https://review.lttng.org/c/babeltrace/+/4528). So where ours is empty, a text of a copy is, too.
 */
function withoutOldTexts(copy: unknown, ours: unknown): unknown {
  if (ours === '' && typeof copy === 'string') return ''
  if (typeof ours !== 'object' || ours === null || ArrayBuffer.isView(ours)) return copy
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) return copy
  return Object.fromEntries(
    Object.entries(copy).map(([name, value]) => [
      name,
      withoutOldTexts(value, (ours as Record<string, unknown>)[name]),
    ]),
  )
}
