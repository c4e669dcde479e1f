import { toReport } from '@rchan/report'
import { describe, expect, test } from 'vitest'
import { MadeRecording, MS } from '../../analysis/test/made-recording.ts'
import { MadeTrace } from '../../export/test/made-trace.ts'
import { dataOf } from './pages-of-reports.ts'

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
    expect(heads).toEqual(['Timeline', 'piscina-1', 'Slowest tasks', 'Threads'])
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
    expect(data.threads.map(({ label }) => label)).toEqual(['main', 'worker 1'])
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
  expect(whole.length).toBeGreaterThan(most)
  expect(html.length).toBeLessThanOrEqual(most)
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
  expect(html.length).toBeLessThanOrEqual(150_000)
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
