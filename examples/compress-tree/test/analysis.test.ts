import type { TraceRecord } from 'rchan/reader'
import { describe, expect, test } from 'vitest'
import { analyse, hasRun, hasWaited, percentile, spreadOf, waitingOverTime } from '../dist/analysis.js'
import { chromeEvents, threadName, type ChromeEvent } from '../dist/chrome.js'
import { bytesText, timeText } from '../dist/quantities.js'
import { printable } from '../dist/report.js'
import { timelineSvg } from '../dist/timeline.js'
import { expectWellFormed, sliceCount, textsOf } from './svg.js'

/** Node's number of each thread, by CPU and generation. */
const THREADS: Readonly<Record<string, number>> = { '0.0': 0, '1.0': 7, '1.1': 9, '2.0': 8 }
const CLOCK_AT_START_NS = 5_000_000_000_000n

/** A record as the reader gives it. @param where CPU and generation. */
function record(
  atNs: number,
  [cpu, generation]: [number, number],
  name: string,
  fields: TraceRecord['fields'],
): TraceRecord {
  return {
    time: CLOCK_AT_START_NS + BigInt(atNs),
    cpu,
    generation,
    threadId: THREADS[`${cpu}.${generation}`],
    threadName: 'worker.js',
    event: { id: 0, name, fields: [] },
    fields,
  }
}

const MAIN: [number, number] = [0, 0]
const submit = (atNs: number, task: number, path = `${task}.txt`): TraceRecord =>
  record(atNs, MAIN, 'pool:submit', { task, kind: 'compress .txt', path, bytes: 10 })
const start = (atNs: number, where: [number, number], task: number): TraceRecord =>
  record(atNs, where, 'pool:start', { task, kind: 'compress .txt', path: `${task}.txt` })
const end = (atNs: number, where: [number, number], task: number): TraceRecord =>
  record(atNs, where, 'pool:end', { task, path: `${task}.txt`, bytesIn: 10, bytesOut: 4, ok: true })

/*
 * ns       0    100  150  200  300  400  500  600  700
 * CPU 0    s0   s1        s2                  –7
 * CPU 1.0       [0────────────────]           (ended)
 * CPU 2.0                 [1───]
 * CPU 1.1                                          [2   never ends
 */
const HISTORY = [
  record(0, MAIN, 'job:phase', { name: 'flood', files: 3 }),
  submit(0, 0),
  record(90, [1, 0], 'pool:online', {}),
  submit(100, 1),
  start(100, [1, 0], 0),
  submit(200, 2),
  start(200, [2, 0], 1),
  end(300, [2, 0], 1),
  end(400, [1, 0], 0),
  record(600, MAIN, 'pool:offline', { threadId: 7 }),
  record(650, [1, 1], 'pool:online', {}),
  start(700, [1, 1], 2),
]

/** The tasks of the slices that are open at an arrow's end, on its track. */
function slicesUnder(arrow: ChromeEvent, events: readonly ChromeEvent[]): unknown[] {
  const at = Number(arrow.ts)
  return events
    .filter(({ ph, tid, ts, dur }) => {
      return ph === 'X' && tid === arrow.tid && Number(ts) <= at && at < Number(ts) + Number(dur)
    })
    .map(({ args }) => (args as { task: number }).task)
}

describe('analysis', () => {
  test('a task has its times, its bytes and the thread that ran it', () => {
    const { tasks, events, originNs, endNs } = analyse(HISTORY)
    expect({ events, originNs, endNs }).toEqual({ events: 12, originNs: CLOCK_AT_START_NS, endNs: 700 })
    expect(tasks[0]).toMatchObject({
      kind: 'compress .txt',
      path: '0.txt',
      submitNs: 0,
      startNs: 100,
      endNs: 400,
      bytesIn: 10,
      bytesOut: 4,
      ok: true,
      thread: { cpu: 1, generation: 0 },
    })
    expect(tasks.filter(hasWaited)).toHaveLength(3)
  })

  test('a task that never ended did not run, and is a task', () => {
    const { tasks } = analyse(HISTORY)
    expect(tasks).toHaveLength(3)
    expect(tasks.filter(hasRun).map(({ task }) => task)).toEqual([0, 1])
  })

  test('each generation of a CPU is a thread, there until the pool ended it', () => {
    expect(analyse(HISTORY).threads).toEqual([
      { cpu: 0, generation: 0, threadId: 0, onlineNs: 0, offlineNs: 600, ended: false, events: 5 },
      { cpu: 1, generation: 0, threadId: 7, onlineNs: 90, offlineNs: 600, ended: true, events: 3 },
      { cpu: 1, generation: 1, threadId: 9, onlineNs: 650, offlineNs: 700, ended: false, events: 2 },
      { cpu: 2, generation: 0, threadId: 8, onlineNs: 200, offlineNs: 300, ended: false, events: 2 },
    ])
  })

  test('a phase lasts to the next one, and the last to the end', () => {
    const phase = (atNs: number, name: string): TraceRecord =>
      record(atNs, MAIN, 'job:phase', { name, files: 0 })
    expect(analyse([phase(0, 'flood'), phase(30, 'pause'), submit(50, 0)]).phases).toEqual([
      { name: 'flood', startNs: 0, endNs: 30 },
      { name: 'pause', startNs: 30, endNs: 50 },
    ])
  })

  test('a lost submit leaves a task that ran and whose wait is unknown', () => {
    const [task] = analyse([start(10, [1, 0], 4), end(30, [1, 0], 4)]).tasks
    expect(task).toMatchObject({ task: 4, path: '4.txt', submitNs: undefined })
    expect([hasRun(task), hasWaited(task)]).toEqual([true, false])
  })

  test('a trace without records is an empty analysis', () => {
    expect(analyse([])).toEqual({ events: 0, originNs: 0n, endNs: 0, tasks: [], threads: [], phases: [] })
  })

  test('the tasks that wait are counted at each change, and none waits at the end', () => {
    expect(waitingOverTime(analyse(HISTORY).tasks)).toEqual([
      { atNs: 0, count: 1 },
      { atNs: 100, count: 2 },
      { atNs: 100, count: 1 },
      { atNs: 200, count: 2 },
      { atNs: 200, count: 1 },
      { atNs: 700, count: 0 },
    ])
  })
})

describe('spread', () => {
  test('a percentile is the smallest value that so many do not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect([0, 1, 50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([1, 1, 50, 99, 100])
    expect(percentile([1, 2, 3, 4, 5], 50)).toBe(3)
    expect(percentile([1, 2, 3, 4], 50)).toBe(2)
    expect(percentile([7], 99)).toBe(7)
  })

  test('values need not be sorted, and are left as they are', () => {
    const values = [10, 9, 100]
    expect(spreadOf(values)).toEqual({ p50: 10, p99: 100, max: 100 })
    expect(values).toEqual([10, 9, 100])
  })

  test('of no values there is none', () => {
    expect(spreadOf([])).toBeUndefined()
  })
})

describe('trace.json', () => {
  const events = [...chromeEvents(analyse(HISTORY))]

  test('a slice for each task that ran, in microseconds, on the track of its thread', () => {
    const names = new Map(
      events
        .filter(({ name }) => name === 'thread_name')
        .map(({ tid, args }) => [tid, (args as { name: string }).name]),
    )
    expect([...names.values()]).toEqual([
      'CPU 0 · main thread',
      'CPU 1.0 · thread 7',
      'CPU 1.1 · thread 9',
      'CPU 2.0 · thread 8',
    ])
    const slices = events.filter(({ ph, cat }) => ph === 'X' && cat === 'task')
    expect(slices.map(({ ts, dur, tid }) => [ts, dur, names.get(tid)])).toEqual([
      [0.1, 0.3, 'CPU 1.0 · thread 7'],
      [0.2, 0.1, 'CPU 2.0 · thread 8'],
    ])
  })

  test('slices of one kind have one name, and the file among their arguments', () => {
    const slices = events.filter(({ ph, cat }) => ph === 'X' && cat === 'task')
    expect(slices.map(({ name, args }) => [name, (args as { path: string }).path])).toEqual([
      ['compress .txt', '0.txt'],
      ['compress .txt', '1.txt'],
    ])
  })

  test('each submit is a slice of the main thread, and none reaches into the next', () => {
    const slices = events.filter(({ name }) => name === 'submit')
    expect(slices.map(({ ph, tid, ts, dur }) => [ph, tid, ts, dur])).toEqual([
      ['X', 1, 0, 0.1],
      ['X', 1, 0.1, 0.1],
      ['X', 1, 0.2, 1],
    ])
  })

  test('an arrow for each task that ran, from its submit to its run, after both of its slices', () => {
    const arrows = events.filter(({ ph }) => ph === 's' || ph === 'f')
    expect(arrows.map(({ ph, id, ts, bp }) => [ph, id, ts, bp])).toEqual([
      ['s', 0, 0, undefined],
      ['f', 0, 0.1, 'e'],
      ['s', 1, 0.1, undefined],
      ['f', 1, 0.2, 'e'],
    ])
    for (const arrow of arrows) expect(slicesUnder(arrow, events)).toEqual([arrow.id])
    const [first] = arrows
    expect(events.indexOf(first)).toBeGreaterThan(events.findIndex(({ cat }) => cat === 'task'))
  })

  test('each wait begins and ends under one id', () => {
    const waits = events.filter(({ cat }) => cat === 'queue')
    expect(waits.map(({ ph, id, ts }) => [ph, id, ts])).toEqual([
      ['b', 0, 0],
      ['e', 0, 0.1],
      ['b', 1, 0.1],
      ['e', 1, 0.2],
      ['b', 2, 0.2],
      ['e', 2, 0.7],
    ])
  })
})

describe('what people read', () => {
  test('a thread is called by its CPU, generation and number', () => {
    expect(analyse(HISTORY).threads.map(threadName)).toContain('CPU 1.1 · thread 9')
  })

  test('quantities have three digits, and never round up to a thousand', () => {
    expect([0, 999, 1000, 9994, 9996, 99_960, 999_499, 999_600, 53_300_000].map(bytesText)).toEqual([
      '0 B',
      '999 B',
      '1.00 kB',
      '9.99 kB',
      '10.0 kB',
      '100 kB',
      '999 kB',
      '1.00 MB',
      '53.3 MB',
    ])
    expect([0.004, 0.42, 12.34, 999.4, 999.6, 12_345].map(timeText)).toEqual([
      '0.00 ms',
      '0.42 ms',
      '12.3 ms',
      '999 ms',
      '1.00 s',
      '12.3 s',
    ])
  })

  test("a file's name can't move the cursor", () => {
    expect(printable('a\n\u001b[2Jb\u009bc ü')).toBe(String.raw`a\x0a\x1b[2Jb\x9bc ü`)
  })
})
describe('timeline.svg', () => {
  test('is drawn of any trace, an empty one too', () => {
    for (const history of [HISTORY, [], HISTORY.slice(0, 1), HISTORY.filter(({ cpu }) => cpu !== 0)]) {
      const svg = timelineSvg(analyse(history))
      expectWellFormed(svg)
      expect(svg).not.toMatch(/NaN|undefined|Infinity/)
    }
  })

  test('has a slice for each task that ran, and a lane for each thread', () => {
    const svg = timelineSvg(analyse(HISTORY))
    expect(sliceCount(svg)).toBe(2)
    expect(textsOf(svg).filter(({ content }) => /^(main )?thread/.test(content))).toHaveLength(4 + 1)
    expect(
      svg.match(/<g transform="[^"]*"><path class="cross"/g),
      'in the legend, and of thread 7',
    ).toHaveLength(2)
  })

  test('an arrow starts where the task was submitted and ends at the left edge of its slice', () => {
    const svg = timelineSvg(analyse(HISTORY))
    const arrows = [
      ...svg.matchAll(/class="arrow" marker-end="[^"]*" d="M([\d.]+),([\d.]+)C.*?([\d.]+),([\d.]+)"/g),
    ]
    const ends = arrows.map(([, ...numbers]) => numbers.map(Number))
    const slices = [...svg.matchAll(/M([\d.]+) ([\d.]+)h/g)].map(([, x, y]) => [Number(x), Number(y)])
    expect(ends).toHaveLength(2)
    for (const [fromX, fromY, toX, toY] of ends) {
      expect(fromX).toBeLessThan(toX)
      expect(fromY).toBeLessThan(toY)
      expect(slices.filter(([x, y]) => x === toX && y > toY && y - toY < 26)).toHaveLength(1)
    }
  })

  test('arrows are of the longest waits, and no more than can be told apart', () => {
    const history = Array.from({ length: 400 }, (_, task) => [
      submit(task * 1000, task),
      start(task * 1000 + 100 + task, [1, 0], task),
      end(task * 1000 + 900, [1, 0], task),
    ]).flat()
    const svg = timelineSvg(analyse(history))
    expect(sliceCount(svg)).toBe(400)
    const arrows = [...svg.matchAll(/class="arrow"[^>]* d="[^"]*?([\d.]+),[\d.]+"/g)].map(([, x]) =>
      Number(x),
    )
    const left = Math.max(...arrows)
    expect(arrows).toHaveLength(14)
    // Waits grow with time, so the arrows stand from the right on.
    for (const [index, x] of arrows.entries()) {
      if (index > 0) expect(arrows[index - 1] - x).toBeGreaterThanOrEqual(25.9)
      expect(left - x).toBeLessThan(14 * 30)
    }
    expect(svg).toContain('14 of the longest waits')
  })

  test("a file's name and a kind's are text, whatever is in them, and stay within their place", () => {
    const bad = `<b>&"\u0000\u001b[2J\uffff${'x'.repeat(300)}`
    const history = HISTORY.map((entry) => ({ ...entry, fields: { ...entry.fields, path: bad, kind: bad } }))
    const svg = timelineSvg(analyse(history))
    expectWellFormed(svg)
    expect(textsOf(svg).filter(({ content }) => content.length > 100)).toEqual([])
  })

  test('no text covers another', () => {
    const texts = textsOf(timelineSvg(analyse(HISTORY)))
    expect(texts.length).toBeGreaterThan(15)
    const clashes = texts.flatMap((one, index) =>
      texts
        .slice(index + 1)
        .filter((other) => {
          return Math.abs(one.y - other.y) < 10 && one.left < other.right && other.left < one.right
        })
        .map((other) => [one.content, other.content]),
    )
    expect(clashes).toEqual([])
  })
})
