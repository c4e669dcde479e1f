/** What tasks had of their thread's time on CPUs. Times are ms. */
import { describe, expect, test } from 'vitest'
import { MadeRecording, MS } from './made-recording.ts'
import { TaskWindows, type Accounted, type AccountPart } from '../src/task-windows.ts'

/** Sums what it is given. */
class Sums implements Accounted {
  ns = 0
  onCpu = 0
  waitingForCpu = 0
  error = 0
  alone = 0

  account({ ns, onCpu, waitingForCpu, error, isAlone }: AccountPart): void {
    this.ns += ns
    this.onCpu += onCpu
    this.waitingForCpu += waitingForCpu
    this.error += error
    if (isAlone) this.alone += ns
  }
}

function run(windows: TaskWindows, start: number, end: number): Sums {
  const sums = new Sums()
  windows.ran(start, end, sums)
  return sums
}

describe('the tasks between two readings', () => {
  test('share what their thread had, by their run times', () => {
    const windows = new TaskWindows()
    windows.account(100, 1000, 500)
    const tasks = [run(windows, 100, 108), run(windows, 108, 112), run(windows, 112, 120)]
    windows.account(120, 1010, 505)
    windows.finish()
    expect(tasks).toMatchObject([
      { ns: 8, onCpu: 4, waitingForCpu: 2, error: 0 },
      { ns: 4, onCpu: 2, waitingForCpu: 1, error: 0 },
      { ns: 8, onCpu: 4, waitingForCpu: 2, error: 0 },
    ])
  })

  test('an idle thread has no part in it', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    const task = run(windows, 20, 30)
    windows.account(100, 8, 1)
    windows.account(200, 9, 1)
    windows.finish()
    expect(task).toMatchObject({ ns: 10, onCpu: 8, waitingForCpu: 1, error: 0 })
  })

  test('what they had is no more than their run time', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    const task = run(windows, 20, 30)
    windows.account(100, 40, 40)
    windows.finish()
    expect(task).toMatchObject({ ns: 10, onCpu: 10, waitingForCpu: 0 })
  })

  test('reading messages and posting results needs a CPU all the time', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    windows.worked(0, 4)
    const task = run(windows, 4, 14)
    windows.worked(14, 20)
    windows.account(20, 12, 4)
    windows.finish()
    // Of the 10 of work 7.5 were on a CPU, as 12 of 16 were; the rest waited.
    expect(task).toMatchObject({ ns: 10, onCpu: 4.5, waitingForCpu: 1.5, error: 0 })
  })

  test('half of the time on their way was work, more or less', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    windows.around(0, 6)
    const task = run(windows, 6, 20)
    windows.account(20, 12, 0)
    windows.finish()
    expect(task).toMatchObject({ ns: 14, onCpu: 9, waitingForCpu: 0, error: 3 })
    // Of the tasks' own 10 no more than 1 was on a CPU, so no more than that can be wrong.
    const asleep = new TaskWindows()
    asleep.account(0, 0, 0)
    asleep.around(0, 6)
    const sleeper = run(asleep, 6, 16)
    asleep.account(20, 1, 0)
    asleep.finish()
    expect(sleeper).toMatchObject({ ns: 10, onCpu: 0, waitingForCpu: 0, error: 1 })
  })

  test('where more than half may be wrong, nothing is known', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    windows.around(0, 10)
    const task = run(windows, 10, 18)
    windows.account(20, 12, 0)
    const next = run(windows, 30, 40)
    windows.account(40, 20, 0)
    windows.finish()
    expect(task).toMatchObject({ ns: 0, onCpu: 0, error: 0 })
    expect(next).toMatchObject({ ns: 10, onCpu: 8, error: 0 })
  })

  test('waiting is shared with the time on their way', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    windows.around(0, 4)
    const task = run(windows, 4, 20)
    windows.account(20, 4, 16)
    windows.finish()
    // The thread was never blocked: all of both was on a CPU or waiting.
    expect(task).toMatchObject({ ns: 16, onCpu: 4, waitingForCpu: 12, error: 0 })
  })

  test('a task that lies in two windows has a part of each', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    windows.account(20, 5, 0)
    const task = run(windows, 10, 30)
    windows.account(40, 8, 4)
    windows.finish()
    expect(task).toMatchObject({ ns: 20, onCpu: 8, waitingForCpu: 4 })
  })

  test('the last moments of a thread that runs are told in the next window', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    windows.account(20, 15, 0)
    const task = run(windows, 0, 40)
    windows.account(40, 40, 0)
    windows.finish()
    expect(task).toMatchObject({ ns: 40, onCpu: 40 })
    // A task that ended before has nothing of it.
    const ended = new TaskWindows()
    ended.account(0, 0, 0)
    const first = run(ended, 0, 20)
    ended.account(20, 10, 0)
    const next = run(ended, 20, 40)
    ended.account(40, 35, 0)
    ended.finish()
    expect([first.onCpu, next.onCpu]).toEqual([10, 20])
  })

  test('before the first and after the last reading nothing is known', () => {
    const windows = new TaskWindows()
    const before = run(windows, 0, 5)
    const half = run(windows, 5, 15)
    windows.account(10, 10, 0)
    windows.account(20, 20, 0)
    const after = run(windows, 15, 25)
    windows.finish()
    // The account was not there when the second one ended.
    expect([before, half, after].map(({ ns }) => ns)).toEqual([0, 0, 5])
    expect(after.onCpu).toBe(5)
  })

  test('tasks at the same time have the figures of their thread, each', () => {
    const windows = new TaskWindows()
    windows.account(0, 0, 0)
    const tasks = [run(windows, 0, 10), run(windows, 5, 15), run(windows, 0, 20)]
    windows.account(20, 5, 5)
    windows.finish()
    expect(tasks).toMatchObject([
      { ns: 10, onCpu: 2.5, waitingForCpu: 2.5 },
      { ns: 10, onCpu: 2.5, waitingForCpu: 2.5 },
      { ns: 20, onCpu: 5, waitingForCpu: 5 },
    ])
  })

  test('of a long task, which ends after many readings, nothing is lost', () => {
    const windows = new TaskWindows()
    for (let ms = 0; ms <= 10_000; ms += 20) windows.account(ms, ms * 0.6, ms * 0.3)
    const task = run(windows, 0, 10_000)
    windows.finish()
    expect(task.ns).toBe(10_000)
    expect(task.alone).toBe(10_000)
    expect(task.onCpu).toBeCloseTo(6000)
    expect(task.waitingForCpu).toBeCloseTo(3000)
  })

  test('long tasks at the same time keep most of what they had', () => {
    const windows = new TaskWindows()
    const tasks: Sums[] = []
    windows.account(0, 0, 0)
    for (let ms = 20; ms <= 4000; ms += 20) {
      if (ms % 100 === 0) tasks.push(run(windows, ms - 300, ms))
      windows.account(ms, ms * 0.5, 0)
    }
    windows.finish()
    const known = tasks.slice(10)
    expect(known.every(({ ns }) => ns === 300)).toBe(true)
    for (const { onCpu } of known) expect(onCpu).toBeCloseTo(150)
  })
})

describe('a pool', () => {
  /** 100 short tasks that have read nothing of the account themselves. */
  function shortTasks({ onCpu = 0.5, waitingForCpu = 0.2, readings = true } = {}): MadeRecording {
    const made = new MadeRecording()
    for (let count = 0; count < 100; count += 1) {
      const at = 100 + count
      made.task({ worker: 3, queued: at, dispatched: at, started: at, finished: at + 1, handled: at + 1 })
    }
    if (!readings) return made
    for (let ms = 100; ms <= 200; ms += 20) {
      made.cpu(3, ms, (ms - 100) * onCpu, (ms - 100) * waitingForCpu)
    }
    return made
  }

  test('knows what its short tasks are made of, all together', () => {
    const [pool] = shortTasks().gc(3, 110, 114).model().pools
    // The collection waited for a CPU as long as the thread did in such a time.
    expect(pool.parts.onCpu).toBeCloseTo((50 - (4 * 50) / 70) * MS, -2)
    expect(pool.parts.waitingForCpu).toBeCloseTo(20 * MS, -2)
    expect(pool.parts.gc).toBeCloseTo(((4 * 50) / 70) * MS, -2)
    expect(pool.parts.blocked).toBeCloseTo(30 * MS, -2)
    expect(pool.parts.unknown).toBeCloseTo(0, -2)
    expect(pool.parts.estimated).toBeCloseTo(100 * MS, -2)
    // A single one of them does not.
    expect(pool.slowest[0]).not.toHaveProperty('onCpu')
  })

  test('does not without readings', () => {
    const [pool] = shortTasks({ readings: false }).model().pools
    expect(pool.parts).toMatchObject({ onCpu: 0, unknown: 100 * MS, estimated: 0, error: 0 })
  })

  test('has what tasks have read themselves where there are no readings, and only there', () => {
    const made = new MadeRecording()
    const stages = { worker: 3, queued: 0, dispatched: 0 }
    made.task({ ...stages, started: 0, finished: 40, handled: 40, onCpu: 20, waitingForCpu: 10 })
    made.cpu(3, 20, 100).cpu(3, 60, 140)
    made.task({ ...stages, started: 40, finished: 60, handled: 60, onCpu: 10 })
    const [pool] = made.model().pools
    // The readings have the thread on a CPU all the time from 20 on, and nobody reads before.
    expect(pool.parts.onCpu).toBeCloseTo((0.5 * 20 + 40) * MS, -2)
    expect(pool.slowest.map(({ onCpu, isEstimated }) => [onCpu, isEstimated])).toEqual([
      [10 * MS, undefined],
      [20 * MS, undefined],
    ])
  })

  test('a long task that has read nothing has what its thread had', () => {
    const made = new MadeRecording()
    const stages = { worker: 3, queued: 0, dispatched: 100 }
    made.task({ ...stages, started: 100, finished: 900, handled: 910 })
    for (let ms = 100; ms <= 900; ms += 50) made.cpu(3, ms, (ms - 100) * 0.25, (ms - 100) * 0.5)
    made.gc(3, 200, 240)
    const [task] = made.model().pools[0].slowest
    expect(task.isEstimated).toBe(true)
    expect((task.gc ?? 0) / MS).toBeCloseTo(40 / 3)
    expect((task.onCpu ?? 0) / MS).toBeCloseTo(200 - 40 / 3)
    expect((task.waitingForCpu ?? 0) / MS).toBeCloseTo(400)
    expect((task.blocked ?? 0) / MS).toBeCloseTo(200)
  })
})
