/**
 * What DevTools' own trace engine finds in the Chrome JSON: the threads, the slices, their
 * durations and how they nest.
 */
import { toChrome } from '@rchan/export'
import { Helpers, TraceModel } from '@paulirish/trace_engine'
import { expect, test } from 'vitest'
import { MadeTrace } from './made-trace.ts'

const SECOND = 1_000_000_000n

/** A call of the engine's tree. */
interface Node {
  readonly entry: { readonly name: string }
  readonly children: readonly Node[]
}

/** What the engine makes of a thread. */
interface EngineThread {
  readonly name: string
  readonly entries: readonly { name: string; ts: number; dur?: number }[]
  readonly tree?: { readonly roots: Iterable<Node> }
}

/** An event as the engine has it. Times are µs. */
interface EngineEvent {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  readonly dur?: number
}

/** What the engine makes of a file. It has no types that TypeScript could read. */
interface EngineData {
  readonly Renderer: {
    readonly processes: Map<number, { readonly threads: Map<number, EngineThread> }>
  }
  readonly Flows: { readonly flows: readonly (readonly EngineEvent[])[] }
}

/** Pairs begins and ends of asynchronous slices, as the engine does for its timings. */
const paired = Helpers.Trace.createMatchedSortedSyntheticEvents as unknown as (
  events: readonly EngineEvent[],
) => readonly EngineEvent[]

/** The one part of a browser that the engine wants. */
class Rectangle {
  constructor(
    readonly x = 0,
    readonly y = 0,
    readonly width = 0,
    readonly height = 0,
  ) {}
}

function eventsOf(trace: MadeTrace): EngineEvent[] {
  return (JSON.parse([...toChrome(trace)].join('')) as { traceEvents: EngineEvent[] }).traceEvents
}

async function load(trace: MadeTrace): Promise<EngineData> {
  Object.assign(globalThis, { DOMRect: Rectangle })
  const traceEvents = eventsOf(trace)
  const model = TraceModel.Model.createWithAllHandlers()
  await model.parse(traceEvents as never)
  const parsed = model.parsedTrace()
  if (parsed === null) throw new Error('the trace engine has parsed nothing')
  return parsed.data as unknown as EngineData
}

test('the trace engine finds the threads, the slices and their durations', async () => {
  const trace = new MadeTrace()
  const process = trace.process(1234)
  const main = trace.thread(process, 0)
  const worker = trace.thread(process, 3, 'decoder')
  const decode = trace.event('tile:decode', { id: 'u32' }, 'span')
  const inner = trace.event('tile:inner', {}, 'span')
  const at = (us: number): bigint => SECOND + BigInt(us * 1000)
  trace
    .happened(main, trace.event('begin'), at(0))
    .span(worker, inner, at(20), at(30))
    .span(worker, inner, at(31), at(32.5))
    .span(worker, decode, at(10), at(60.001), { id: 7 })
    .span(main, decode, at(15), at(70), { id: 8 }, 'failed')
  const threads = [...(await load(trace)).Renderer.processes].flatMap(([pid, found]) =>
    [...found.threads].map(([tid, thread]) => ({ pid, tid, ...thread })),
  )
  // From the first item, which is at 1 s of the file.
  const spans = ({ entries }: EngineThread): unknown[] =>
    entries
      .filter(({ dur }) => dur !== undefined && dur > 0)
      .map(({ name, ts, dur }) => [name, Number((ts - 1_000_000).toFixed(3)), Number(dur?.toFixed(3))])
  expect(threads.map((thread) => [thread.name, thread.pid, spans(thread)])).toEqual(
    expect.arrayContaining([
      ['main', 1234, [['tile:decode', 15, 55]]],
      [
        'decoder',
        1234,
        [
          ['tile:decode', 10, 50.001],
          ['tile:inner', 20, 10],
          ['tile:inner', 31, 1.5],
        ],
      ],
    ]),
  )
  expect(threads).toHaveLength(2)
  const decoder = threads.find(({ name }) => name === 'decoder')
  const nested = [...(decoder?.tree?.roots ?? [])].map(({ entry, children }) => [
    entry.name,
    children.map((child) => child.entry.name),
  ])
  expect(nested).toEqual([['tile:decode', ['tile:inner', 'tile:inner']]])
})

/** µs from the first item, which is at 1 s of the file. */
const fromFirst = (ts: number): number => Number((ts - 1_000_000).toFixed(3))
const later = (us: number): bigint => SECOND + BigInt(us * 1000)

test('the trace engine pairs the begins and ends of asynchronous slices, on other threads, too', () => {
  const trace = new MadeTrace()
  const process = trace.process(1234)
  const main = trace.thread(process, 0)
  const worker = trace.thread(process, 3, 'decoder')
  const begin = trace.event('pool:task:begin', { file: 'string' }, 'async-begin')
  const end = trace.event('pool:task:end', {}, 'async-end')
  trace
    .begin(main, begin, 7n, later(0), { file: 'a.png' })
    .begin(main, begin, 8n, later(5), { file: 'b.png' })
    .end(worker, end, 7n, later(20))
    .end(main, end, 8n, later(31.5), {}, 'failed')
  const events = eventsOf(trace).filter(({ ph }) => ph === 'b' || ph === 'e')
  const slices = paired(events).map(({ name, ts, dur }) => [name, fromFirst(ts), Number(dur?.toFixed(3))])
  expect(slices).toEqual([
    ['pool:task', 0, 20],
    ['pool:task', 5, 26.5],
  ])
})

test('the trace engine finds the flows from thread to thread', async () => {
  const trace = new MadeTrace()
  const process = trace.process(1234)
  const main = trace.thread(process, 0)
  const worker = trace.thread(process, 3, 'decoder')
  const way = trace.event('pool:way', {}, 'flow')
  const run = trace.event('pool:run', {}, 'span')
  const part = { type: 'flow', event: way, fields: {} } as const
  trace
    .happened(main, trace.event('begin'), later(0))
    .add(
      { ...part, phase: 'start', id: 7n, thread: main, time: later(1) },
      { ...part, phase: 'start', id: 8n, thread: main, time: later(2) },
      { ...part, phase: 'step', id: 7n, thread: worker, time: later(12) },
      { ...part, phase: 'end', id: 8n, thread: worker, time: later(14) },
    )
    .span(worker, run, later(10), later(20))
    .add({ ...part, phase: 'end', id: 7n, thread: main, time: later(30) })
  const { flows } = (await load(trace)).Flows
  const found = flows.map((points) => points.map(({ name, tid, ts }) => [name, tid, fromFirst(ts)]))
  expect(found).toEqual([
    [
      ['pool:way', 1234, 1],
      ['pool:way', 10_000_003, 12],
      ['pool:way', 1234, 30],
    ],
    [
      ['pool:way', 1234, 2],
      ['pool:way', 10_000_003, 14],
    ],
  ])
})
