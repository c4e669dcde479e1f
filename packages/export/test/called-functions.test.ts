/** Samples of stacks become spans: in Chrome's format and speedscope's, and in Perfetto's. */
import { toChrome, toPerfetto, toSpeedscope } from '@rchan/export'
import type { EventClass, TraceThread } from '@rchan/ctf/reader'
import { expect, test } from 'vitest'
import { MadeTrace } from './made-trace.ts'
import { read } from './perfetto-model.ts'

const MS = 1_000_000n

/** A thread whose stacks were sampled. Times are ms. */
class SampledTrace extends MadeTrace {
  readonly main: TraceThread = this.thread(this.process(7), 0)
  readonly #stack: EventClass = this.event('sample:stack')
  readonly #sample: EventClass = this.event('sample')
  #time = 1000n

  constructor() {
    super()
    this.happened(this.main, this.event('begin'), 0n)
  }

  stack(slice: number, id: number, parent: number, name: string): this {
    const file = name.startsWith('(') ? '' : '/dir/app.js'
    const fields = { slice, id, parent, function: name, file, line: id, column: 1 }
    return this.happened(this.main, this.#stack, this.#tick(), fields)
  }

  sample(slice: number, stack: number, start: number, end: number): this {
    const duration = BigInt(end - start) * MS
    const fields = { slice, stack, count: 1, duration }
    return this.happened(this.main, this.#sample, this.#tick(), fields, BigInt(start) * MS)
  }

  #tick(): bigint {
    this.#time += MS
    return this.#time
  }
}

interface ChromeEvent {
  readonly ph: string
  readonly name: string
  readonly tid: number
  readonly ts: number
  readonly dur: number
  readonly args?: Readonly<Record<string, unknown>>
}

/** The slices beside the thread, as `name from…to` in ms of the trace. */
function slicesOf(trace: MadeTrace): string[] {
  const { traceEvents, otherData } = JSON.parse([...toChrome(trace)].join('')) as {
    traceEvents: ChromeEvent[]
    otherData: { clockOfTs0: string }
  }
  const beside = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'functions of main')
      .map(({ tid }) => tid),
  )
  const at = (ts: number): number => Math.round((ts + Number(otherData.clockOfTs0) / 1000) / 1000)
  return traceEvents
    .filter(({ ph, tid }) => ph === 'X' && beside.has(tid))
    .map(({ name, ts, dur }) => `${name} ${at(ts)}…${at(ts + dur)}`)
}

test('a function goes on as long as samples have it in its place', () => {
  const trace = new SampledTrace()
  trace.stack(1, 1, 0, 'main').stack(1, 2, 1, 'parse').sample(1, 2, 10, 14)
  trace.stack(1, 3, 1, 'print').sample(1, 3, 14, 18).sample(1, 1, 18, 20)
  // The next slice counts anew, and begins a little later.
  trace.stack(2, 1, 0, 'main').stack(2, 3, 1, 'print').sample(2, 3, 22, 30)
  expect(slicesOf(trace)).toEqual([
    'parse app.js:2 10…14',
    'print app.js:3 14…18',
    'print app.js:3 22…30',
    'main app.js:1 10…30',
  ])
})

test('it ends where the thread is idle, and where nobody has looked for long', () => {
  const trace = new SampledTrace().stack(1, 1, 0, 'main').stack(1, 2, 0, '(idle)')
  trace.sample(1, 1, 10, 14).sample(1, 2, 14, 20).sample(1, 1, 20, 24).sample(1, 1, 100, 101)
  expect(slicesOf(trace)).toEqual(['main app.js:1 10…14', 'main app.js:1 20…24', 'main app.js:1 100…101'])
})

test('a collection of garbage interrupts a function, and does not end it', () => {
  const trace = new SampledTrace().stack(1, 1, 0, 'main').stack(1, 2, 0, '(garbage collector)')
  trace.sample(1, 1, 10, 12).sample(1, 2, 12, 15).sample(1, 1, 15, 20)
  expect(slicesOf(trace)).toEqual(['(garbage collector) 12…15', 'main app.js:1 10…20'])
})

test('a thread that ends takes its functions along; other events stay as they are', () => {
  const trace = new SampledTrace().stack(1, 1, 0, 'main').sample(1, 1, 10, 12)
  trace.add({ type: 'thread', time: 2000n * MS, thread: trace.main, phase: 'went', how: 'ended' })
  trace.sample(1, 1, 3000, 3001)
  expect(slicesOf(trace)).toEqual(['main app.js:1 10…12', '(stack lost) 3000…3001'])
  const text = [...toChrome(trace)].join('')
  expect(text).toContain('"name":"begin"')
  expect(text).not.toContain('"name":"sample')
})

test('speedscope gets them, too', () => {
  const trace = new SampledTrace().stack(1, 1, 0, 'main').sample(1, 1, 10, 12)
  expect([...toSpeedscope(trace)].join('')).toMatch(/"ph":"X","name":"main app\.js:1".*"dur":2000\}/)
})

test('and Perfetto, where what begins at once nests on one track', () => {
  const trace = new SampledTrace().stack(1, 1, 0, 'main').stack(1, 2, 1, 'parse').stack(1, 3, 2, 'read')
  trace.sample(1, 3, 10, 12).sample(1, 2, 12, 14)
  const { slices, instants } = read(Buffer.concat([...toPerfetto(trace)]))
  expect(slices.map(({ name, track, depth }) => [name, track, depth])).toEqual([
    ['main app.js:1', 'process 7/functions of main', 0],
    ['parse app.js:2', 'process 7/functions of main', 1],
    ['read app.js:3', 'process 7/functions of main', 2],
  ])
  expect(instants.map(({ name }) => name)).toEqual(['begin'])
})
