/**
 * What DevTools' own trace engine finds in the Chrome JSON: the threads, the slices, their
 * durations and how they nest.
 */
import { toChrome } from '@rchan/export'
import { TraceModel } from '@paulirish/trace_engine'
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

/** The engine has no types that TypeScript could read. */
type EngineProcesses = Map<number, { readonly threads: Map<number, EngineThread> }>

/** The one part of a browser that the engine wants. */
class Rectangle {
  constructor(
    readonly x = 0,
    readonly y = 0,
    readonly width = 0,
    readonly height = 0,
  ) {}
}

async function load(trace: MadeTrace): Promise<EngineProcesses> {
  Object.assign(globalThis, { DOMRect: Rectangle })
  const { traceEvents } = JSON.parse([...toChrome(trace)].join('')) as { traceEvents: unknown[] }
  const model = TraceModel.Model.createWithAllHandlers()
  await model.parse(traceEvents as never)
  const parsed = model.parsedTrace()
  if (parsed === null) throw new Error('the trace engine has parsed nothing')
  return parsed.data.Renderer.processes as unknown as EngineProcesses
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
  const threads = [...(await load(trace))].flatMap(([pid, found]) =>
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
