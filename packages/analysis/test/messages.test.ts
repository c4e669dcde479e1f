/** Messages between threads, and the findings about workers without a pool. */
import { modelJson, modelText, Sketch, type Model } from '@rchan/analysis'
import { describe, expect, test } from 'vitest'
import { MadeRecording, MS } from './made-recording.ts'

function ids(model: Model): string[] {
  return model.findings.filter(({ severity }) => severity !== 'ok').map(({ id }) => id)
}

/** Workers of one file that live for `ms`. */
function crew(workers: number, ms = 5000): MadeRecording {
  const made = new MadeRecording({ cpus: 4 })
  for (let threadId = 3; threadId < 3 + workers; threadId += 1) made.life(threadId, 0, ms)
  return made
}

describe('routes', () => {
  test('a message has its posting, its way and its handling; they are told by pairs of threads', () => {
    const made = crew(1)
    made.message({ worker: 3, at: 100, post: 2, received: 110, handled: 125 })
    made.message({ worker: 3, at: 200, post: 1, received: 201, handled: 203, channel: 7 })
    made.message({ worker: 3, isBack: true, at: 210, post: 3, received: 220, isTaken: true })
    const { routes } = made.model()
    expect(routes).toMatchObject([
      {
        from: { threadId: 0 },
        to: { threadId: 3 },
        messages: 2,
        unhandled: 0,
        taken: 0,
        post: { count: 2, sum: 3 * MS },
        wait: { count: 2, max: 8 * MS },
        handle: { count: 2, sum: 17 * MS },
        // What is no more than twice the posting may be reading: of the second there was no wait.
        readNs: 4 * MS,
      },
      { from: { threadId: 3 }, to: { threadId: 0 }, messages: 1, taken: 1, handle: { count: 0 } },
    ])
  })

  test('a receiver may be faster than its sender; a message that was refused is none', () => {
    const made = crew(1)
    made.message({ worker: 3, at: 100, post: 5, received: 103, handled: 104 })
    made.message({ worker: 3, at: 110, post: 5, isRefused: true })
    made.message({ worker: 3, at: 120, post: 5, received: 125, handled: 126 })
    expect(made.model().routes).toMatchObject([
      { messages: 2, unhandled: 0, post: { count: 2, sum: 10 * MS }, wait: { count: 2, max: 0 } },
    ])
  })

  test('what is never received is known by its channel, or by those before it', () => {
    const made = crew(1)
    made.message({ worker: 3, at: 100 }).message({ worker: 3, isBack: true, at: 110 })
    made.message({ worker: 3, at: 120, channel: 7, received: 121, handled: 122 })
    made.message({ worker: 3, at: 130, channel: 7 }).message({ worker: 3, at: 140, channel: 9 })
    const told = made
      .model()
      .routes.map(({ from, to, messages, unhandled }) => [from, to, messages, unhandled])
    const [main, worker] = [made.main, made.worker(3)]
    expect(told).toEqual([
      [main, worker, 3, 2],
      [worker, main, 1, 1],
    ])
  })

  test('of messages that are never received only the latest are kept', () => {
    const made = crew(1)
    for (let count = 0; count < 70_000; count += 1) made.message({ worker: 3, at: 100 + count / 100 })
    made.message({ worker: 3, at: 900, channel: 7, received: 901, handled: 902 })
    expect(made.model().routes).toMatchObject([{ messages: 70_001, unhandled: 70_000 }])
  })

  test('sketches add up', () => {
    const [one, other, both] = [new Sketch(), new Sketch(), new Sketch()]
    for (const [index, value] of [0, 5, 1e6, -3, 2.5, 7, 1e9, NaN].entries()) {
      ;(index % 2 === 0 ? one : other).add(value)
      both.add(value)
    }
    one.addAll(other)
    expect(one).toEqual(both)
  })
})

describe('crews', () => {
  test('workers of one file and one parent are one; those of pools are none', () => {
    const made = crew(2)
    made.asked(3, 100, 20)
    made.asked(4, 100, 10)
    made.life(5, 0, 5000, { online: 60 })
    made.task({ worker: 6, queued: 10, dispatched: 11, started: 12, finished: 13, handled: 14 })
    made.message({ worker: 6, at: 5, received: 6, handled: 7 })
    const { crews, routes } = made.model()
    expect(crews).toMatchObject([
      {
        name: 'worker.js',
        parent: { threadId: 0 },
        there: { messages: 2 },
        back: { messages: 2 },
        workers: [
          { thread: { threadId: 3 }, messages: 1, answers: 1, workNs: 20 * MS },
          { thread: { threadId: 4 }, messages: 1, answers: 1, workNs: 10 * MS },
          { thread: { threadId: 5 }, messages: 0, answers: 0, workNs: 0 },
        ],
      },
    ])
    expect(Math.round(crews[0].activeNs / MS)).toBe(20)
    expect(routes).toHaveLength(5)
    expect(routes.filter(({ isPools }) => isPools)).toMatchObject([{ to: { threadId: 6 } }])
  })

  test('what waits for the start of a worker is not time in which the crew is active', () => {
    const made = crew(1)
    made.message({ worker: 3, at: 0, received: 300, handled: 310 })
    made.message({ worker: 3, at: 0, received: 310, handled: 320 })
    made.message({ worker: 3, at: 400, received: 405, handled: 415 })
    expect(made.model().crews[0].activeNs).toBe(35 * MS)
  })

  test('a worker that awaits something is at work until it answers', () => {
    const made = crew(1)
    made.message({ worker: 3, at: 100, received: 100, handled: 101 })
    made.message({ worker: 3, at: 100, received: 101, handled: 102 })
    made.message({ worker: 3, isBack: true, at: 150, received: 150, handled: 150 })
    made.message({ worker: 3, isBack: true, at: 170, received: 170, handled: 170 })
    expect(made.model().crews[0].workers).toMatchObject([{ workNs: 70 * MS }])
  })

  test('of one that does not answer the kernel knows', () => {
    const made = crew(1)
    made.cpu(3, 90, 40)
    made.message({ worker: 3, at: 100, received: 100, handled: 101 }).cpu(3, 400, 240, 30)
    expect(made.model().crews[0].workers).toMatchObject([
      { workNs: 200 * MS, onCpuNs: 200 * MS, waitingForCpuNs: 30 * MS },
    ])
  })

  test('they become text and JSON', () => {
    const made = crew(1)
    for (let time = 100; time < 900;) time = made.asked(3, time, 20)
    made.message({ worker: 3, at: 950 })
    const model = made.model()
    const text = modelText(model)
    expect(text).toContain('✓ Nothing wrong was found in the worker of worker.js')
    expect(text).toContain('worker.js: 1 worker of the main thread, 41 messages there, 40 back\n')
    expect(text).toMatch(/^main +worker 3 +41 +0 ns +0 ns +100 µs +100 µs +20\.0 ms +20\.0 ms +1$/m)
    expect(text).toMatch(/^worker 3 +main +40 /m)
    expect(JSON.parse(JSON.stringify(modelJson(model)))).toMatchObject({
      crews: [{ name: 'worker.js', parent: { pid: 7, threadId: 0 }, workers: { length: 1 } }],
      routes: [{ from: { threadId: 0 }, messages: 41 }, { messages: 40 }],
    })
  })
})

describe('findings without a pool', () => {
  test('writing and reading messages takes longer than the work on them', () => {
    const made = (post: number, work: number, way: number): Model => {
      const recording = crew(1)
      for (let time = 100, count = 0; count < 40; count += 1)
        time = recording.asked(3, time, work, { post, way })
      return recording.model()
    }
    expect(made(20, 1, 20).findings).toMatchObject([{ id: 'serialization', severity: 'problem' }])
    expect(ids(made(1.5, 1, 1))).toEqual(['serialization'])
    expect(ids(made(1.5, 10, 1))).toEqual([])
    // Small messages are not what takes the time, however little the work is.
    expect(ids(made(0.02, 0, 10))).toEqual([])
    const waits = crew(1).cpu(3, 90, 1)
    for (let time = 100, count = 0; count < 40; count += 1) time = waits.asked(3, time, 1, { post: 1.5 })
    expect(ids(waits.cpu(3, 4000, 100, 900).model())).toEqual([])
  })

  test('the main thread is busy while messages lie', () => {
    const made = (lay: number): MadeRecording => {
      const recording = crew(1)
      for (let time = 100, count = 0; count < 40; count += 1) {
        time = recording.asked(3, time, 10, { lay: count % 10 === 5 ? lay : 0.1 })
      }
      return recording
    }
    expect(made(300).model().findings).toMatchObject([
      { id: 'main-thread-stalled', severity: 'problem', at: { thread: { threadId: 0 } } },
    ])
    // It leads to the message that lay longest.
    const { at } = made(300).model().findings[0]
    expect(Math.round(Number((at?.to ?? 0n) - (at?.from ?? 0n)) / MS)).toBe(300)
    expect(ids(made(60).model())).toEqual(['main-thread-stalled'])
    expect(ids(made(40).model())).toEqual([])
    // It looks for them itself, or it waits for a CPU.
    const taken = crew(1)
    for (let time = 100; time < 4000; time += 200) {
      taken.message({ worker: 3, isBack: true, at: time, received: time + 100, isTaken: true })
    }
    expect(ids(taken.model())).toEqual([])
    // It waited for a CPU itself, as is told before or after.
    for (const told of [-5, 40]) {
      const starved = crew(1).cpu(0, 1, 0)
      for (let time = 100, count = 0; count < 20; count += 1) time = starved.asked(3, time, 10)
      const last = starved.asked(3, 1000, 10, { lay: 300 })
      expect(ids(starved.cpu(0, last + told, 1, 280).model())).toEqual([])
    }
  })

  test('messages wait for too few workers while CPUs are idle', () => {
    const made = (onCpu: number, queued = 40): Model => {
      const recording = crew(1).cpu(0, 1, 0).cpu(3, 90, 1)
      for (let count = 0; count < 40; count += 1) {
        const at = 100 + count * 20
        recording.message({ worker: 3, at: queued > 1 ? 100 : at, received: at, handled: at + 20 })
        recording.message({ worker: 3, isBack: true, at: at + 20, received: at + 20, handled: at + 20 })
      }
      return recording
        .cpu(3, 950, 1 + onCpu)
        .cpu(0, 951, 10)
        .model()
    }
    expect(made(800).findings).toMatchObject([{ id: 'too-few-threads', severity: 'problem' }])
    expect(made(800).findings[0].advice).toContain('Start about 4 workers')
    const [sleeps] = made(80).findings
    expect(sleeps).toMatchObject({ id: 'too-few-threads' })
    expect(sleeps.advice).toContain('on a CPU for only 10 %')
    expect(ids(made(800, 1))).toEqual([])
    expect(ids(made(3000))).toEqual([])
  })

  test('garbage collection takes the time of the work', () => {
    const made = (gc: number, post = 0): Model => {
      const recording = crew(1)
      for (let time = 100, count = 0; count < 20; count += 1) {
        if (gc > 0) recording.gc(3, Math.ceil(time) + 1, Math.ceil(time) + 1 + gc, 4000)
        time = recording.asked(3, time, 20, { post })
      }
      return recording.model()
    }
    expect(made(10).findings).toMatchObject([{ id: 'garbage-collection', severity: 'problem' }])
    expect(made(4).findings).toMatchObject([{ id: 'garbage-collection', severity: 'hint' }])
    expect(ids(made(2))).toEqual([])
    // It may be that of reading the messages.
    expect(ids(made(10, 10))).toEqual([])
  })

  test('a worker has nothing to do; one has nearly all', () => {
    const made = (...works: number[]): Model => {
      const recording = crew(works.length)
      for (const [index, work] of works.entries()) {
        if (work === 0) continue
        for (let time = 100, count = 0; count < 20; count += 1) time = recording.asked(3 + index, time, work)
      }
      return recording.model()
    }
    expect(made(20, 0, 0).findings).toMatchObject([{ id: 'idle-worker', severity: 'hint' }])
    expect(ids(made(20, 20, 0))).toEqual(['idle-worker'])
    expect(ids(made(20, 20))).toEqual([])
    expect(made(40, 2).findings).toMatchObject([
      { id: 'uneven-work', severity: 'problem', at: { thread: { threadId: 3 } } },
    ])
    expect(ids(made(40, 10))).toEqual(['uneven-work'])
    expect(ids(made(20, 17))).toEqual([])
    // The one with more has a rest after each.
    const recording = crew(2)
    for (let at = 100; at < 1600; at += 30) {
      recording.asked(3, at, 20)
      recording.asked(4, at, 2)
    }
    const rested = recording.model()
    expect(ids(rested)).toEqual([])
    expect(rested.findings).toMatchObject([{ id: 'nothing-wrong' }])
    expect(rested.findings[0].advice).toContain('had nothing to do for 63 % of the time')
  })

  test('a worker never takes a message; no worker of a pool ever runs a task', () => {
    const made = (ms: number, received?: number): MadeRecording => {
      const recording = crew(1, ms).memory(3, 60, 1n, 100n)
      return recording.message({ worker: 3, at: 10, ...(received === undefined ? {} : { received }) })
    }
    expect(made(1500).model().findings).toMatchObject([{ id: 'idle-worker', severity: 'problem' }])
    expect(ids(made(900).model())).toEqual([])
    expect(ids(made(1500, 800).model())).toEqual([])
    // Of a worker without the probes nobody knows what it takes.
    expect(ids(crew(1, 1500).message({ worker: 3, at: 10 }).model())).toEqual([])
    const pool = (handled?: number): Model => {
      const recording = new MadeRecording()
      recording.task({ worker: 3, queued: 0, dispatched: 1, ...(handled === undefined ? {} : { handled }) })
      return recording.threads(1500, 1).model()
    }
    expect(pool().findings).toMatchObject([{ id: 'idle-worker', severity: 'problem' }])
    expect(ids(pool(1200))).toEqual([])
  })
})
