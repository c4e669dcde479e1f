import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace, TraceError } from '@rchan/ctf/reader'
import { toReport } from '@rchan/report'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MadeRecording, MS } from '../../analysis/test/made-recording.ts'
import { MadeTrace } from '../../export/test/made-trace.ts'
import { histogram } from '../dist/histogram.js'
import { poolSections } from '../dist/pool-section.js'
import { dataOf } from './pages-of-reports.ts'

test('what tasks were given is in the table, and under each of them', () => {
  const stages = { worker: 3, queued: 0, dispatched: 1, started: 1, finished: 30, handled: 31 }
  const made = new MadeRecording()
  made.task({ ...stages, given: `{ path: "<b>", text: "${'x'.repeat(100)}" }` })
  const html = toReport(made.finished())
  const headsOf = (page: string): string[] =>
    [...page.matchAll(/<th scope="col"[^>]*>([^<]*)<\/th>/g)].map(([, head]) => head)
  expect(headsOf(html)).toContain('arguments')
  const [, cell] = /<td class="given">([^<]*)<\/td>/.exec(html) ?? []
  expect(cell).toBe(`{ path: &quot;&lt;b&gt;&quot;, text: &quot;${'x'.repeat(38)}…`)
  const { tasks, texts } = dataOf(html)
  expect(texts[tasks.given[0]]).toMatch(/^\{ path: "<b>", text: "x{100}" \}$/)
  const others = new MadeRecording()
  others.task(stages)
  expect(headsOf(toReport(others.finished()))).not.toContain('arguments')
})

describe('a recording of a pool', () => {
  const made = new MadeRecording()
  made.life(3, 1, 95)
  made.task({
    worker: 3,
    queued: 10,
    dispatched: 20,
    started: 21,
    finished: 31,
    handled: 33,
    onCpu: 6,
    waitingForCpu: 3,
  })
  made.task({ worker: 3, queued: 11, dispatched: 33, started: 34, finished: 80, handled: 90, failed: true })
  made.gc(3, 40, 42)
  made.cpu(3, 20, 0).cpu(3, 40, 10, 5)
  const html = toReport(made.finished())
  const data = dataOf(html)
  const laneNames = data.lanes.map(({ thread, first, count }) => [
    data.threads[thread].label,
    ...[...data.slices.name.subarray(first, first + count)].map((name) => data.names[name]),
  ])

  test('has the main thread first, and the tasks on the row of the worker, what is in them below', () => {
    expect(data.threads.map(({ label, id }) => [label, id])).toEqual([
      ['main', 0],
      ['worker', 3],
    ])
    expect(laneNames).toEqual([
      ['worker', 'resize', 'resize'],
      ['worker', 'gc'],
    ])
  })

  test('has the stages of each task, and links its run to it', () => {
    const { tasks, slices } = data
    const stages = (task: number): number[] =>
      [tasks.queued, tasks.dispatched, tasks.started, tasks.finished, tasks.handled].map(
        (each) => each[task] / MS,
      )
    expect(stages(0)).toEqual([10, 10, 11, 21, 23])
    expect(stages(1)).toEqual([11, 22, 23, 69, 79])
    expect([...slices.task]).toEqual([0, 1, -1])
    expect([tasks.onCpu[0], tasks.waiting[0], tasks.blocked[0]]).toEqual([6 * MS, 3 * MS, MS])
    expect([...slices.outcome.subarray(0, 2), ...tasks.outcome]).toEqual([0, 1, 0, 1])
  })

  test('has the queue of the pool, and the band of the thread', () => {
    expect(data.charts.map(({ label, series }) => [label, ...series.map((each) => each.label)])).toEqual([
      ['piscina-1', 'queued', 'running'],
    ])
    expect([...data.threads[1].cpu.onCpu]).toEqual([500, 0])
  })

  test('has all of it in words, too', () => {
    expect(html.includes('<h1>node app.js</h1>')).toBe(true)
    const heads = [...html.matchAll(/<h2[^>]*>([^<]+)<\/h2>/g)].map(([, head]) => head.trim())
    expect(heads).toEqual([
      'Findings',
      'Timeline',
      'Keys and pointer',
      'piscina-1',
      'Slowest tasks',
      'Spans by name',
      'Threads',
    ])
    expect(html.includes('there is too little in this recording')).toBe(true)
    expect(/2\s+tasks/.test(html)).toBe(true)
    expect(html.includes('href="#task=1"')).toBe(true)
  })
})

describe('a trace without a pool', () => {
  const trace = new MadeTrace()
  const process = trace.process(1)
  const main = trace.thread(process, 0, 'main')
  const other = trace.thread(process, 1)
  const work = { ...trace.event('work', { text: 'string' }, 'span'), name: '<b>&"work"' }
  trace.happened(main, trace.event('hello', { n: 'u64' }), 5n, { n: 2n ** 60n })
  trace.span(other, work, 10n, 90n, { text: '</script><script>alert(1)' }, 'cut')
  const flow = trace.event('way', {}, 'flow')
  for (const [thread, time, phase] of [
    [main, 6n, 'start'],
    [other, 20n, 'end'],
  ] as const)
    trace.add({ type: 'flow', phase, id: 9n, time, thread, event: flow, fields: {} })
  trace.begin(main, trace.event('job:begin', { n: 'u32' }), 1n, 30n, { n: 1 })
  trace.begin(main, trace.event('job:begin', { n: 'u32' }), 2n, 40n, { n: 2 })
  trace.end(other, trace.event('job:end'), 1n, 50n)
  trace.add({ type: 'loss', time: 60n, from: 50n, to: 60n, thread: other, cpu: 1, events: 3 })
  trace.add({ type: 'gap', time: 70n, from: 61n, to: 70n, cpu: 0, packets: 1 })
  const html = toReport(trace)
  const data = dataOf(html)

  test('shows its spans, events, flows and losses', () => {
    expect(data.threads.map(({ label, id }) => [label, id])).toEqual([
      ['main', 0],
      ['worker', 1],
    ])
    const slices = data.lanes.map(({ thread, isAsync, first, count }) => [
      thread,
      isAsync,
      ...[...data.slices.start.keys()]
        .slice(first, first + count)
        .map((slice) => [
          data.names[data.slices.name[slice]],
          data.slices.start[slice],
          data.slices.duration[slice],
          data.slices.outcome[slice],
          data.texts[data.slices.text[slice]],
        ]),
    ])
    expect(slices).toEqual([
      [0, true, ['job', 25, 20, 0, 'n: 1']],
      [0, true, ['job', 35, 50, 2, 'n: 2']],
      [1, false, ['<b>&"work"', 5, 80, 2, 'text: </script><script>alert(1)']],
    ])
    expect([...data.events.time, data.texts[data.events.text[0]]]).toEqual([0, `n: ${2n ** 60n}`])
    expect([[...data.flows.thread], [...data.flows.time]]).toEqual([
      [0, 1],
      [1, 15],
    ])
    expect(data.losses).toEqual([
      { thread: 1, from: 45, to: 55, text: '3 events were lost' },
      { thread: -1, from: 56, to: 65, text: '1 packet is missing, of CPU 0' },
    ])
    expect(/3 events\s+were\s+lost/.test(html)).toBe(true)
  })

  test('nothing of it is taken for HTML', () => {
    expect(html.includes('<b>')).toBe(false)
    expect(html.includes('alert(1)')).toBe(false)
    expect(html.includes('&lt;b&gt;&amp;&quot;work&quot;')).toBe(true)
    expect(html.match(/<\/script>/g)).toHaveLength(2)
  })
})

test('what a death has cut ends with the thread, not when the death was seen', () => {
  const made = new MadeRecording().life(3, 1, 95, { exitCode: 3 })
  const trace = made.finished()
  const work = trace.event('work', {}, 'span')
  const [worker, ms] = [made.worker(3), (time: number): bigint => BigInt(time * MS)]
  trace.span(worker, work, ms(60), ms(300), {}, 'cut')
  trace.span(worker, work, ms(40), ms(50))
  // The parent may tell of the end before the worker has told all.
  trace.span(worker, work, ms(97), ms(300), {}, 'cut')
  const { slices } = dataOf(toReport(trace))
  expect(
    [...slices.start.keys()].map((slice) => [slices.start[slice] / MS, slices.duration[slice] / MS]),
  ).toEqual([
    [40, 10],
    [60, 35],
    [97, 0],
  ])
})

test('an empty trace is a page', () => {
  expect(dataOf(toReport(new MadeTrace())).slices.start).toHaveLength(0)
})

test('a page stays below its limit: the shortest spans are left out, and counted', () => {
  const trace = new MadeTrace()
  const main = trace.thread(trace.process(1), 0, 'main')
  const names = Array.from({ length: 7 }, (_, index) => trace.event(`work_${index}`, {}, 'span'))
  let time = 0n
  let seed = 1
  for (let index = 0; index < 20_000; index += 1) {
    seed = (seed * 16_807) % 2_147_483_647
    const duration = BigInt(seed % 100_000)
    trace.span(main, names[seed % 7], time, time + duration)
    time += duration + BigInt(seed % 777)
  }
  const whole = toReport(trace)
  const most = 120_000
  const html = toReport(trace, { mostBytes: most })
  expect(Buffer.byteLength(whole)).toBeGreaterThan(most)
  expect(Buffer.byteLength(html)).toBeLessThanOrEqual(most)
  const { slices, leftOut, threads } = dataOf(html)
  expect(slices.start.length + leftOut.count).toBe(20_000)
  expect(Math.min(...slices.duration)).toBeGreaterThanOrEqual(leftOut.shorterThan)
  expect(Math.max(...threads[0].density)).toBeGreaterThan(0)
  expect(html.includes(`${leftOut.count.toLocaleString('en')} spans shorter than`)).toBe(true)
  expect(() => toReport(trace, { mostBytes: 1000 })).toThrow(/^mostBytes=1000: the page takes \d+ bytes even/)
  expect(() => toReport(trace, { mostBytes: -1 })).toThrow('mostBytes=-1: has to be')
})

test('a page of many events, flows and texts stays below its limit, too', () => {
  const trace = new MadeTrace()
  const main = trace.thread(trace.process(1), 0, 'main')
  const event = trace.event('said', { text: 'string' })
  let seed = 1
  for (let index = 0; index < 20_000; index += 1) {
    seed = (seed * 16_807) % 2_147_483_647
    trace.happened(main, event, BigInt(index * 1000), { text: `${seed} ${seed * 3} ${seed * 7}` })
  }
  const html = toReport(trace, { mostBytes: 150_000 })
  expect(Buffer.byteLength(html)).toBeLessThanOrEqual(150_000)
  const { events, leftOut } = dataOf(html)
  expect(events.time.length).toBeGreaterThan(0)
  expect(leftOut.everyEvent).toBeGreaterThan(1)
})

test('what lies far before the recording is left out, and told; two processes of one pid are two', () => {
  const trace = new MadeTrace()
  const [first, second] = [trace.process(7), trace.process(7)].map((process) => trace.thread(process, 0))
  const work = trace.event('work', {}, 'span')
  const day = 86_400_000_000_000n
  trace.span(first, work, 10n * day, 10n * day + 500n)
  trace.span(second, work, 10n * day + 100n, 10n * day + 600n)
  trace.span(first, work, 1n, 2n, {}, 'ok', 10n * day + 700n)
  const html = toReport(trace)
  const { from, slices, leftOut, threads, processes } = dataOf(html)
  expect([slices.start.length, leftOut.farAway]).toEqual([2, 1])
  expect(from).toBeGreaterThan(-1e9)
  expect(html.includes('1 span or event whose own time is long before')).toBe(true)
  expect([threads.length, new Set(threads.map(({ process }) => processes[process].index)).size]).toEqual([
    2, 2,
  ])
})

test('of a damaged recording there is a page, or the reader refuses it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rchan-report-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const recordings = fileURLToPath(new URL('../../../docs/why-slow/first/recording', import.meta.url))
  const [name] = readdirSync(recordings).filter((each) => !each.endsWith('.json'))
  cpSync(join(recordings, name), folder, { recursive: true })
  const streams = readdirSync(folder)
    .filter((each) => each.startsWith('cpu_'))
    .map((each) => ({ path: join(folder, each), bytes: readFileSync(join(folder, each)) }))
  let seed = 1
  let [pages, refused] = [0, 0]
  for (let index = 0; index < 120; index += 1) {
    seed = (seed * 16_807) % 2_147_483_647
    const { path, bytes } = streams[seed % streams.length]
    const damaged = Buffer.from(bytes)
    const at = seed % bytes.length
    damaged.fill([0, 0x7f, 0xff][seed % 3], at, at + [1, 4, 8][(seed % 7) % 3])
    writeFileSync(path, damaged)
    try {
      const html = toReport(openTrace(folder))
      const text = html.slice(html.indexOf('<body'), html.indexOf('id="data"'))
      expect(/\b(NaN|Infinity|undefined)\b/.test(text), `${index}: ${text}`).toBe(false)
      pages += 1
    } catch (error) {
      if (!(error instanceof TraceError)) throw error
      refused += 1
    }
    writeFileSync(path, bytes)
  }
  expect(pages).toBeGreaterThan(10)
  expect(refused).toBeGreaterThan(10)
})

test('the limit is one of bytes, not of letters', () => {
  const trace = new MadeTrace()
  const main = trace.thread(trace.process(1), 0, 'main')
  const work = trace.event('user:span', { name: 'string' }, 'span')
  for (let index = 0; index < 25; index += 1) {
    const start = BigInt(index * 1000)
    trace.span(main, work, start, start + 500n, { name: `${index} ${'测'.repeat(150)}` })
  }
  const bytes = Buffer.byteLength(toReport(trace))
  // The table of the longest spans has these names.
  expect(bytes - toReport(trace).length).toBeGreaterThan(5000)
  expect(Buffer.byteLength(toReport(trace, { mostBytes: bytes }))).toBe(bytes)
  expect(Buffer.byteLength(toReport(trace, { mostBytes: bytes - 1 }))).toBeLessThan(bytes)
})

test('of spans that are left out the names are, too', () => {
  const trace = new MadeTrace()
  const main = trace.thread(trace.process(1), 0, 'main')
  const request = trace.event('user:span', { name: 'string' }, 'span')
  let seed = 1
  for (let index = 0; index < 20_000; index += 1) {
    seed = (seed * 16_807) % 2_147_483_647
    const start = BigInt(index * 100_000)
    trace.span(main, request, start, start + BigInt(seed % 90_000), { name: `request ${seed} ${seed * 3}` })
  }
  const html = toReport(trace, { mostBytes: 150_000 })
  expect(Buffer.byteLength(html)).toBeLessThanOrEqual(150_000)
  const { names, slices } = dataOf(html)
  expect(slices.start.length).toBeGreaterThan(100)
  expect(names).toHaveLength(new Set(slices.name).size)
})

test('with too many names, spans have those of their events', () => {
  const trace = new MadeTrace()
  const main = trace.thread(trace.process(1), 0, 'main')
  const request = trace.event('user:span', { name: 'string' }, 'span')
  for (let index = 0; index < 100_010; index += 1) {
    const start = BigInt(index * 1000)
    trace.span(main, request, start, start + 10n, { name: `r${index}` })
  }
  const { names, slices, texts } = dataOf(toReport(trace))
  expect(slices.start.length).toBe(100_010)
  expect(names).toHaveLength(100_001)
  const last = slices.name.length - 1
  expect([names[slices.name[last]], texts[slices.text[last]]]).toEqual(['user:span', 'name: r100009'])
})

test('points of flows beyond the limit are left out, and counted; the others keep their ways', () => {
  const trace = new MadeTrace()
  const process = trace.process(1)
  const threads = [0, 1].map((id) => trace.thread(process, id))
  const way = trace.event('way', {}, 'flow')
  let seed = 1
  for (let index = 0; index < 20_000; index += 1) {
    for (const [end, phase] of [
      [0, 'start'],
      [1, 'end'],
    ] as const) {
      seed = (seed * 16_807) % 2_147_483_647
      const time = BigInt(index * 100_000 + end * 40_000 + (seed % 30_000))
      trace.add({
        type: 'flow',
        phase,
        id: BigInt(index),
        time,
        thread: threads[end],
        event: way,
        fields: {},
      })
    }
  }
  const html = toReport(trace, { mostBytes: 150_000 })
  expect(Buffer.byteLength(html)).toBeLessThanOrEqual(150_000)
  const { flows, leftOut } = dataOf(html)
  expect(flows.time.length).toBeGreaterThan(100)
  expect(flows.time.length + leftOut.flows).toBe(40_000)
  expect(html.includes(`${leftOut.flows.toLocaleString('en')} points of flows.`)).toBe(true)
  const ofWay = new Map<number, number[]>()
  for (const [point, number] of flows.way.entries())
    ofWay.set(number, [...(ofWay.get(number) ?? []), flows.thread[point]])
  expect(new Set([...ofWay.values()].map((each) => each.join(' ')))).toEqual(new Set(['0 1']))
})

test('more counters than there are charts are counted; a chart has bounds', () => {
  const trace = new MadeTrace()
  const main = trace.thread(trace.process(1), 0, 'main')
  const counters = Array.from({ length: 30 }, (_, index) =>
    trace.event(`counter_${index}`, { value: 'u32' }, 'counter'),
  )
  for (let index = 0; index < 10_000; index += 1) {
    const fields = { value: index === 5000 ? 1e6 : index % 7 }
    trace.add({ type: 'counter', time: BigInt(index), thread: main, event: counters[0], fields })
  }
  for (const event of counters.slice(1)) {
    trace.add({ type: 'counter', time: 20_000n, thread: main, event, fields: { value: 1 } })
  }
  const html = toReport(trace)
  const { charts, leftOut } = dataOf(html)
  expect([charts.length, leftOut.counterValues]).toEqual([24, 6])
  expect(html.includes('6 values of further counters.')).toBe(true)
  expect(charts[0].times.length).toBeLessThan(4096)
  // What stands out stays.
  expect(Math.max(...charts[0].series[0].values)).toBe(1e6)
})

test('texts are cut, and can neither be HTML nor turn round what follows', () => {
  const trace = new MadeTrace()
  const process = trace.process(1)
  const threads = ['</script><!-- ', 'evil\u202egnp.exe', 'עובד', 'x'.repeat(5000)].map((name, id) =>
    trace.thread(process, id, name),
  )
  const work = trace.event('user:span', { name: 'string' }, 'span')
  for (const [index, thread] of threads.entries()) {
    const start = BigInt(index * 1000)
    trace.span(thread, work, start, start + 500n, { name: `<!--<script>\u2067${'y'.repeat(5000)}` })
  }
  const html = toReport(trace, { title: '<!--'.repeat(10_000) })
  expect(html.length).toBeLessThan(120_000)
  expect(html.match(/<!--/g)).toBe(null)
  expect(html.match(/<\/script>/g)).toHaveLength(2)
  expect(/[\u202a-\u202e\u2066-\u2069]/.test(html)).toBe(false)
  const { names, threads: shown } = dataOf(html)
  expect(names).toEqual([`<!--<script>\ufffd${'y'.repeat(187)}…`])
  expect(shown.map(({ label }) => label.slice(0, 20))).toEqual([
    '</script><!-- ',
    'evil\ufffdgnp.exe',
    'עובד',
    'x'.repeat(20),
  ])
})

test('of hundreds of pools those with most tasks are shown, the others counted', () => {
  const made = new MadeRecording()
  made.batch([3], 20, 10)
  const model = made.model()
  const [pool] = model.pools
  const pools = Array.from({ length: 200 }, (_, index) => ({ ...pool, name: `pool-${index}`, tasks: index }))
  const { text } = poolSections({ ...model, pools })
  expect(text.match(/<section/g)).toHaveLength(50)
  // Those with most tasks.
  expect(text.includes('pool-199')).toBe(true)
  expect(text.includes('pool-149')).toBe(false)
  expect(text.includes(`And 150 more pools, with ${((149 * 150) / 2).toLocaleString('en')} tasks.`)).toBe(
    true,
  )
  expect(poolSections({ ...model, pools: pools.slice(0, 51) }).text.includes('And 1 more pool, ')).toBe(true)
  expect(poolSections({ ...model, pools: pools.slice(0, 50) }).text.includes('And ')).toBe(false)
})

test('the names of marks in a histogram overlap neither each other nor its edge', () => {
  for (const [half, most] of [
    [1e6, 1e6],
    [1e6, 1.05e6],
    [1e6, 1.5e6],
    [1e3, 9e8],
    [9.9e8, 1e9],
    [1e3, 1.01e3],
  ]) {
    const bins = [1e3, half, most, 1e9].map((from) => ({ from, to: from * 1.2, count: 3 }))
    const { text } = histogram('run', bins, [
      { label: 'p50', at: half },
      { label: 'p99', at: most },
    ])
    const places = [...text.matchAll(/<text\s+class="mark"\s+x="([-\d.]+)"\s+y="([\d.]+)"/g)].map(
      ([, x, y]) => ({ x: Number(x), y: Number(y) }),
    )
    const [a, b] = places
    expect(places).toHaveLength(2)
    expect(Math.abs(a.x - b.x) >= 18 || Math.abs(a.y - b.y) >= 10, `${half} ${most}: ${text}`).toBe(true)
    for (const { x } of places) expect(x >= 0 && x <= 420 - 18).toBe(true)
    const axis = [...text.matchAll(/<text\s+x="([-\d.]+)"[^>]*>\s*([^<]+)</g)]
    expect(axis.length).toBeGreaterThan(3)
    for (const [, x, label] of axis) {
      const wide = label.trim().length * 3
      expect(Number(x) - wide >= 0 && Number(x) + wide <= 420, `${x} ${label}`).toBe(true)
    }
  }
})
