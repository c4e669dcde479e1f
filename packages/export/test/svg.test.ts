/** Pictures: what is drawn of a trace, and that it is XML whatever the trace says. */
import { toSvg } from '@rchan/export'
import { expect, test } from 'vitest'
import { MadeTrace } from './made-trace.ts'
import { expectWellFormed } from './well-formed.ts'

const MS = 1_000_000n

function drawn(trace: MadeTrace, title?: string): string {
  const svg = [...toSvg(trace, title === undefined ? {} : { title })].join('')
  expectWellFormed(svg)
  return svg
}

function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, content]) => content)
}

/** The strokes of a colour: left edge and width, in pixels. */
function strokesOf(svg: string, color: string): [number, number][] {
  const paths = [...svg.matchAll(new RegExp(`<path class="slices" stroke="${color}"[^>]* d="([^"]*)"`, 'g'))]
  return paths.flatMap(([, d]) =>
    [...d.matchAll(/M([\d.]+) [\d.]+h([\d.]+)/g)].map(([, x, h]): [number, number] => [Number(x), Number(h)]),
  )
}

const FIRST = '#0072b2'
const SECOND = '#e69f00'
const LEFT = 156
const WIDTH = 724

function simple() {
  const trace = new MadeTrace()
  const process = trace.process(7)
  const main = trace.thread(process, 0)
  const worker = trace.thread(process, 3, 'decoder')
  return { trace, main, worker, task: trace.event('pool:task', { path: 'string' }, 'span') }
}

test('a trace without items is a picture without spans', () => {
  expect(textsOf(drawn(new MadeTrace()))).toContain('no spans')
})

test('spans stand where they belong, the inner ones below the outer ones', () => {
  const { trace, worker, task } = simple()
  const inner = trace.event('pool:step', {}, 'span')
  trace.happened(worker, trace.event('start'), 0n)
  trace.span(worker, inner, 30n * MS, 40n * MS)
  trace.span(worker, task, 25n * MS, 75n * MS, { path: '/a/big.png' })
  trace.happened(worker, trace.event('end'), 100n * MS)
  const svg = drawn(trace)
  expect(strokesOf(svg, FIRST)).toEqual([[LEFT + WIDTH / 4, WIDTH / 2]])
  const [[left, width]] = strokesOf(svg, SECOND)
  expect([left, width]).toEqual([LEFT + WIDTH * 0.3, WIDTH / 10].map((x) => Math.round(x * 10) / 10))
  expect(textsOf(svg)).toEqual(
    expect.arrayContaining(['decoder', 'thread 3', 'big.png', 'pool:task', 'pool:step']),
  )
  expect(textsOf(svg)).toContain('longest span: pool:task, 50.0 ms')
})

test('spans too narrow to draw are marks, one for each column', () => {
  const { trace, worker, task } = simple()
  for (let n = 0n; n < 100_000n; n += 1n) trace.span(worker, task, n * 1000n, n * 1000n + 10n, { path: '' })
  const svg = drawn(trace)
  expect(strokesOf(svg, FIRST).length).toBeLessThanOrEqual(WIDTH)
  expect(svg.length).toBeLessThan(50_000)
})

test('the main thread comes first; a thread that ends has a cross', () => {
  const { trace, main, worker, task } = simple()
  trace.happened(main, trace.event('start'), 0n)
  trace.add({ type: 'thread', time: 1n * MS, thread: worker, phase: 'came' })
  trace.span(worker, task, 2n * MS, 9n * MS, { path: '' })
  trace.span(main, task, 3n * MS, 10n * MS, { path: '' })
  trace.add({ type: 'thread', time: 11n * MS, thread: worker, phase: 'went' })
  const svg = drawn(trace)
  const texts = textsOf(svg)
  expect(texts.indexOf('main')).toBeLessThan(texts.indexOf('decoder'))
  expect(svg.match(/class="came" d="M[\d.]+ \d+V/g)).toHaveLength(1)
  expect(svg.match(/class="cross"/g)).toHaveLength(2) // one of them in the legend
})

test('losses and cut spans are to be seen', () => {
  const { trace, worker, task } = simple()
  trace.happened(worker, trace.event('start'), 0n)
  trace.loss(worker, 10n * MS, 20n * MS, 5)
  trace.span(worker, task, 30n * MS, 40n * MS, { path: '' }, 'cut')
  const svg = drawn(trace)
  expect(svg).toContain('<rect class="loss" x="337"')
  expect(textsOf(svg)).toContain('longest span: pool:task, 10.0 ms; 5 events were lost')
  expect(svg.match(/class="cut"/g)).toHaveLength(1)
  expect(drawn(simple().trace)).not.toContain('events were lost')
})

test('asynchronous spans are counted, counters are drawn, the longest ways have arrows', () => {
  const { trace, main, worker, task } = simple()
  const begin = trace.event('job:begin', {}, 'async-begin')
  const end = trace.event('job:end', {}, 'async-end')
  for (let id = 0n; id < 5n; id += 1n) trace.begin(main, begin, id, id * MS)
  for (let id = 0n; id < 5n; id += 1n) trace.end(main, end, id, (10n + id) * MS)
  const queue = trace.event('queue', { waiting: 'u32' }, 'counter')
  trace.add({ type: 'counter', time: 15n * MS, thread: main, event: queue, fields: { waiting: 17 } })
  const way = trace.event('way', {}, 'flow')
  trace.span(worker, task, 15n * MS, 20n * MS, { path: '' })
  trace.span(main, task, 15n * MS, 20n * MS, { path: '' })
  const flow = (phase: 'start' | 'step' | 'end', thread: typeof main, at: bigint): void => {
    trace.add({ type: 'flow', time: at, phase, id: 1n, thread, event: way, fields: {} })
  }
  flow('start', main, 21n * MS)
  flow('step', worker, 25n * MS)
  flow('end', main, 30n * MS)
  const svg = drawn(trace)
  expect(textsOf(svg)).toEqual(expect.arrayContaining(['job', 'open', '5', 'queue', 'waiting', '17']))
  expect(textsOf(svg)).toContain('from thread to thread: the 1 longest ways')
  expect(svg.match(/class="halo"/g)).toHaveLength(1)
})

test('names and texts that are no XML, or too long, do no harm', () => {
  const trace = new MadeTrace()
  const process = trace.process(1)
  const thread = trace.thread(process, 0, '<b>&"\u0000\uD800 \u001B[31m a thread with a long, long name')
  const event = trace.event('a', { text: 'string' }, 'span')
  trace.span(thread, event, 0n, 10n * MS, { text: '</text><script>alert(1)</script>' })
  const svg = drawn(trace, '<title> & "more"')
  expect(svg).not.toContain('<script>')
  expect(svg).toContain('&lt;title&gt; &amp; "more"')
})
