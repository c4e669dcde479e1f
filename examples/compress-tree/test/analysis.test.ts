import type { TraceRecord } from 'rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import { analyse, hasRun, hasWaited, percentile, spreadOf, waitingOverTime } from '../dist/analysis.js'
import { chromeEvents, threadName } from '../dist/chrome.js'
import { bytesText, timeText } from '../dist/quantities.js'
import { printable } from '../dist/report.js'
import { timelineSvg } from '../dist/timeline.js'

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
    event: { id: 0, name, fields: [] },
    fields,
  }
}

const MAIN: [number, number] = [0, 0]
const submit = (atNs: number, task: number, path = `${task}.txt`): TraceRecord =>
  record(atNs, MAIN, 'pool:submit', { task, path, bytes: 10 })
const start = (atNs: number, where: [number, number], task: number): TraceRecord =>
  record(atNs, where, 'pool:start', { task, path: `${task}.txt` })
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
  record(90, [1, 0], 'pool:online', { threadId: 7 }),
  submit(100, 1),
  start(100, [1, 0], 0),
  submit(200, 2),
  start(200, [2, 0], 1),
  end(300, [2, 0], 1),
  end(400, [1, 0], 0),
  record(600, MAIN, 'pool:offline', { threadId: 7 }),
  record(650, [1, 1], 'pool:online', { threadId: 9 }),
  start(700, [1, 1], 2),
]

describe('analysis', () => {
  test('a task has its times, its bytes and the thread that ran it', () => {
    const { tasks, events, originNs, endNs } = analyse(HISTORY)
    expect({ events, originNs, endNs }).toEqual({ events: 12, originNs: CLOCK_AT_START_NS, endNs: 700 })
    expect(tasks[0]).toMatchObject({
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
      { cpu: 0, generation: 0, threadId: undefined, onlineNs: 0, offlineNs: 600, events: 5 },
      { cpu: 1, generation: 0, threadId: 7, onlineNs: 90, offlineNs: 600, events: 3 },
      { cpu: 1, generation: 1, threadId: 9, onlineNs: 650, offlineNs: 700, events: 2 },
      { cpu: 2, generation: 0, threadId: undefined, onlineNs: 200, offlineNs: 300, events: 2 },
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
      'CPU 2.0 · thread ?',
    ])
    const slices = events.filter(({ ph }) => ph === 'X')
    expect(slices.map(({ name, ts, dur, tid }) => [name, ts, dur, names.get(tid)])).toEqual([
      ['0.txt', 0.1, 0.3, 'CPU 1.0 · thread 7'],
      ['1.txt', 0.2, 0.1, 'CPU 2.0 · thread ?'],
    ])
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

  test('the timeline is drawn of any trace, an empty one too', () => {
    for (const history of [HISTORY, []]) {
      const svg = timelineSvg(analyse(history))
      expect(svg).toMatch(/^<svg [^>]*>[\s\S]*<\/svg>\n$/)
      expect(svg).not.toMatch(/NaN|undefined|Infinity/)
    }
  })
})
