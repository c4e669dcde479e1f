/** The model of a made recording, and what is found in it. */
import {
  analyse,
  Analysis,
  FINDING_IDS,
  modelJson,
  modelText,
  type Finding,
  type Model,
} from '@rchan/analysis'
import { describe, expect, test } from 'vitest'
import { MadeTrace } from '../../export/test/made-trace.ts'
import { MadeRecording, MS } from './made-recording.ts'

function ids(model: Model): string[] {
  return model.findings.filter(({ severity }) => severity !== 'ok').map(({ id }) => id)
}

describe('the model', () => {
  test('a task has its stages, and its run what it is made of', () => {
    const made = new MadeRecording()
    made.life(3, 0, 500)
    const stages = { queued: 60, dispatched: 70, started: 71, finished: 91, handled: 95 }
    made.task({ worker: 3, ...stages, onCpu: 12, waitingForCpu: 3, serialize: 2 })
    // A fifth of what the thread could run was a wait for a CPU, and so was that of the collection.
    made.gc(3, 75, 80, 200)
    const { pools, threads, processes, cpus } = made.model()
    const ns = (ms: number): bigint => BigInt(ms * MS)
    expect(cpus).toBe(4)
    expect(processes).toMatchObject([{ command: 'node app.js', parentPid: 1 }])
    expect(pools[0]).toMatchObject({
      name: 'piscina-1',
      tasks: 1,
      wait: { count: 1, max: 10 * MS },
      wake: { max: MS },
      run: { max: 20 * MS },
      reply: { max: 4 * MS },
      serialize: { max: 2 * MS },
      parts: { onCpu: 8 * MS, waitingForCpu: 3 * MS, gc: 4 * MS, blocked: 5 * MS, unknown: 0 },
      activeNs: 35 * MS,
      tasksAtOnce: 1,
    })
    expect(pools[0].slowest).toMatchObject([
      {
        id: 1n,
        name: 'resize',
        queued: ns(60),
        dispatched: ns(70),
        started: ns(71),
        finished: ns(91),
        replied: ns(93),
        handled: ns(95),
        outcome: 'ok',
        gc: 4 * MS,
        onCpu: 8 * MS,
        waitingForCpu: 3 * MS,
        blocked: 5 * MS,
      },
    ])
    expect(pools[0].slowest[0].worker?.threadId).toBe(3)
    expect(threads.map(({ thread, role, tasks }) => [thread.threadId, role, tasks])).toEqual([
      [0, 'main', 0],
      [3, 'worker', 1],
    ])
    expect(threads[1]).toMatchObject({ spawned: 0n, online: ns(50), exit: ns(500), exitCode: 1 })
  })

  test('a collection belongs to the task that it interrupted, whether it is told before or after', () => {
    const made = new MadeRecording()
    made.task({ worker: 3, queued: 0, dispatched: 0, started: 0, finished: 100, handled: 101 })
    made.task({ worker: 3, queued: 0, dispatched: 101, started: 110, finished: 200, handled: 201 })
    made.gc(3, 10, 20, 30).gc(3, 90, 120, 300).gc(4, 10, 90)
    const { pools } = made.model()
    expect(pools[0].slowest.map(({ id, gc }) => [id, gc])).toEqual([
      [1n, 20 * MS],
      [2n, 10 * MS],
    ])
    expect(pools[0].parts.gc).toBe(30 * MS)
  })

  test('sums of collections are shared by the tasks since the last; told both ways they count once', () => {
    const made = new MadeRecording()
    made.task({ worker: 3, queued: 0, dispatched: 0, started: 0, finished: 60, handled: 61 })
    made.task({ worker: 3, queued: 0, dispatched: 70, started: 70, finished: 90, handled: 91 })
    made.gcSums(3, 0, 95, 16).gc(3, 10, 14, 100)
    const { pools, threads } = made.model()
    expect(pools[0].slowest.map(({ id, gc }) => [id, gc])).toEqual([
      [1n, 12 * MS],
      [2n, 4 * MS],
    ])
    expect(threads.find(({ thread }) => thread.threadId === 3)?.gcNs).toBe(16 * MS)
    // What was collected while a reply was serialized is not the tasks'.
    const replies = new MadeRecording()
    replies.task({
      worker: 3,
      queued: 0,
      dispatched: 0,
      started: 0,
      finished: 10,
      handled: 41,
      serialize: 30,
    })
    replies.gcSums(3, 0, 45, 16)
    expect(replies.model().pools[0].parts.gc).toBe(4 * MS)
    // Nor what was collected while its worker started.
    const booted = new MadeRecording().boot(3, 0, 30)
    booted.task({ worker: 3, queued: 0, dispatched: 40, started: 40, finished: 50, handled: 51 })
    expect(booted.gcSums(3, 0, 55, 16).model().pools[0].parts.gc).toBe(4 * MS)
    // Nor what was collected while its message was read.
    const messages = new MadeRecording()
    messages.task({ worker: 3, queued: 0, dispatched: 0, started: 10, finished: 20, handled: 21 })
    messages.task({ worker: 3, queued: 0, dispatched: 20, started: 50, finished: 60, handled: 61 })
    messages.gcSums(3, 0, 65, 12)
    expect(messages.model().pools[0].parts.gc).toBe(4 * MS)
    // A task that was given early is read when the one before is done.
    const early = new MadeRecording()
    early.task({ worker: 3, queued: 0, dispatched: 0, started: 0, finished: 20, handled: 21 })
    early.task({ worker: 3, queued: 0, dispatched: 0, started: 20, finished: 40, handled: 41 })
    early.gcSums(3, 0, 45, 12)
    expect(early.model().pools[0].parts.gc).toBe(12 * MS)
  })

  test('the shares of a thread are those of the kernel', () => {
    const made = new MadeRecording()
    made.life(3, 0, 1000).cpu(3, 100, 50).cpu(3, 1000, 600, 200).gc(3, 500, 600)
    const worker = made.model().threads.find(({ thread }) => thread.threadId === 3)
    expect(worker?.basis).toBe('kernel')
    // The collection, too, has waited for a CPU, in the same part of its time.
    expect(worker?.shares).toEqual({ busy: 0.525, waitingForCpu: 0.2, gc: 0.075, idle: 0.2 })
  })

  test('without the kernel they are those of the tasks', () => {
    const made = new MadeRecording()
    made.life(3, 0, 1000)
    made.task({ worker: 3, queued: 100, dispatched: 100, started: 100, finished: 350, handled: 360 })
    const worker = made.model().threads.find(({ thread }) => thread.threadId === 3)
    expect(worker?.basis).toBe('spans')
    expect(worker?.shares).toMatchObject({ busy: 0.25, waitingForCpu: 0, idle: 0.75 })
  })

  test('what nobody knows of a thread is not told as 0 %', () => {
    const made = new MadeRecording()
    made.life(3, 0, 1000).life(4, 0, 1000)
    made.task({ worker: 3, queued: 100, dispatched: 100, started: 100, finished: 350, handled: 360 })
    const rows = modelText(made.model()).split('\n')
    const cells = (id: number): string[] | undefined =>
      rows
        .map((row) => row.trim().split(/ {2,}/))
        .find(
          ([, number, ...rest]) => number === String(id) && rest.at(-1)?.endsWith('without the time on CPUs'),
        )
    expect(cells(3)?.slice(2, 6)).toEqual(['25.0 %', '–', '0.0 %', '75.0 %'])
    expect(cells(4)?.slice(2, 6)).toEqual(['–', '–', '0.0 %', '–'])
  })

  test('the slowest tasks are kept, the slowest first; memory has bounds', () => {
    const made = new MadeRecording()
    for (let count = 0; count < 3000; count += 1) {
      const from = count * 100
      made.task({
        worker: 3,
        queued: from,
        dispatched: from,
        started: from,
        finished: from + ((count * 7) % 90),
        handled: from + 95,
      })
    }
    const stuck = made.task({ worker: 3, queued: 0, dispatched: 1 })
    const [pool] = made.model({ slowest: 4 }).pools
    expect(pool).toMatchObject({ tasks: 3001, cut: 1 })
    expect(pool.slowest).toHaveLength(4)
    expect(pool.slowest[0]).toMatchObject({ id: stuck, outcome: 'cut' })
    expect(pool.queue.length).toBeLessThanOrEqual(512)
  })

  test('each task is told once, those without an end last', () => {
    const made = new MadeRecording()
    const ended = [1, 2, 3].map((at) =>
      made.task({
        worker: 3,
        queued: at,
        dispatched: at,
        started: at,
        finished: at + 0.5,
        handled: at + 0.6,
      }),
    )
    const stuck = made.task({ worker: 3, queued: 0, dispatched: 1 })
    const told: [bigint, string][] = []
    made.model({ onTask: ({ id, outcome }) => told.push([id, outcome]) })
    expect(told).toEqual([...ended.map((id) => [id, 'ok']), [stuck, 'cut']])
  })

  test('nothing of it depends on what the fields of a damaged trace are', () => {
    const made = new MadeTrace()
    const thread = made.thread(made.process(1), 0)
    for (const name of [
      'cpu',
      'gc:sums',
      'task:dispatched',
      'task:replied',
      'pool:found',
      'process:started',
    ]) {
      made.happened(thread, made.event(name), 1n, { id: 'x', threadId: 'y', onCpu: [1], pool: 5 })
    }
    made.end(thread, made.event('task:end'), 5n, 2n).span(thread, made.event('task:run'), 3n, 4n, { id: 1.5 })
    expect(() => modelText(analyse(made))).not.toThrow()
    expect(new Analysis().result()).toMatchObject({ threads: [], pools: [], findings: [] })
  })

  test('it becomes text and JSON', () => {
    const made = new MadeRecording({ maxThreads: 1 })
    made.life(3, 0, 3000).threads(100, 1)
    made.batch([3], 40, 20)
    made.cpu(0, 1, 1).cpu(3, 100, 1).cpu(3, 900, 800)
    const model = made.model()
    expect(modelText(model)).toMatch(
      /^! piscina-1 has too few threads: .* It cost about \d+ ms\.\n {4}time with a queue/,
    )
    expect(modelText(model)).toContain('piscina-1: 40 tasks, ')
    expect(modelText(model)).toContain('run time is: on a CPU 100.0 %\n')
    const json = JSON.parse(JSON.stringify(modelJson(model))) as { pools: unknown[]; findings: Finding[] }
    expect(json.pools).toMatchObject([
      { process: 7, submitter: { pid: 7, threadId: 0 }, slowest: { length: 20 } },
    ])
    expect(json.findings[0].id).toBe('too-few-threads')
  })
})

describe('findings', () => {
  /** A batch on one of `cpus` CPUs. */
  function queued(cpus: number, onCpu: number): MadeRecording {
    const made = new MadeRecording({ cpus, maxThreads: 1 })
    made.life(3, 0, 3000).threads(100, 1)
    const end = made.batch([3], 40, 20, { onCpu })
    for (let ms = 100; ms <= end; ms += 20) made.cpu(3, ms, ((ms - 100) * onCpu) / 20 + 1)
    return made
  }

  test('too few threads: a queue while CPUs are idle', () => {
    expect(ids(queued(4, 20).model())).toEqual(['too-few-threads'])
    const [finding] = queued(2, 2).model().findings
    expect(finding).toMatchObject({ id: 'too-few-threads', severity: 'problem' })
    expect(finding.advice).toContain('10 % of their time')
    expect(queued(1, 20).model().findings).toMatchObject([{ id: 'nothing-wrong', severity: 'ok' }])
  })

  test('a CPU is idle only if no other thread of the process has it, and no other program', () => {
    const made = (used: number, idle: number): Model => {
      const recording = queued(4, 20)
      for (let ms = 100; ms <= 900; ms += 20)
        recording.cpuAll(ms, (ms - 100) * used, 5000 + (ms - 100) * idle)
      return recording.model()
    }
    const [found] = made(1, 3).findings
    expect(found).toMatchObject({ id: 'too-few-threads', advice: 'Raise maxThreads to about 4.' })
    // Threads of libuv compute.
    expect(ids(made(3.8, 0.2))).toEqual([])
    // Other programs do.
    expect(ids(made(1, 0.4))).toEqual([])
    expect(made(1, 0.4).findings).toMatchObject([
      {
        id: 'nothing-wrong',
        thin: 'Other programs had 2.6 of 4 CPUs. What needs idle CPUs is not judged then.',
      },
    ])
    expect(made(1, 2).findings[0].title).toContain('while 2.0 of 4 CPUs were idle')
  })

  test('the number of threads that is advised is more than there are', () => {
    const made = (kind: string, onCpu: number, cpus = 2): Finding => {
      const recording = new MadeRecording({ cpus, maxThreads: 2, kind })
      recording.life(3, 0, 3000).life(4, 0, 3000).threads(100, 2)
      const end = recording.batch([3, 4], 40, 20, { onCpu })
      for (let ms = 100; ms <= end; ms += 20) {
        const used = onCpu / 10
        recording.cpuAll(ms, (ms - 100) * used, (ms - 100) * (cpus - used))
      }
      return recording.model().findings[0]
    }
    expect(made('piscina', 12)).toMatchObject({ id: 'too-few-threads', severity: 'problem' })
    expect(made('piscina', 12).advice).toContain('Otherwise raise maxThreads to about 4, or, if they')
    expect(made('piscina', 7).advice).toContain('Otherwise raise maxThreads, or, if they')
    // As of tasks that take a lock.
    expect(made('piscina', 10)).toMatchObject({ id: 'too-few-threads', severity: 'hint' })
    expect(made('piscina', 10).advice).toContain('together they use just one CPU')
    // Each pool has its own names.
    expect(made('piscina', 20, 4).advice).toBe('Raise maxThreads to about 4.')
    expect(made('workerpool', 20, 4).advice).toBe('Raise maxWorkers to about 4.')
    expect(made('jest-worker', 20, 4).advice).toBe('Raise numWorkers to about 4.')
    expect(made('poolifier', 20, 4).advice).toBe('Raise the number of its threads to about 4.')
  })

  test('the thread that gives the tasks has too much to do', () => {
    const made = (work: number, run: number, waited = 0): Model => {
      const recording = new MadeRecording({ cpus: 4, maxThreads: 2 })
      recording.life(3, 0, 3000).life(4, 0, 3000).threads(100, 2)
      for (let count = 0; count < 60; count += 1) {
        const at = 100 + count * 20
        recording.cpu(0, at, 50 + count * work, count * waited)
        const worker = 3 + (count % 2)
        recording.task({
          worker,
          queued: at,
          dispatched: at,
          started: at,
          finished: at + run,
          handled: at + run,
          onCpu: run,
        })
      }
      return recording.model()
    }
    expect(made(19, 10).findings).toMatchObject([
      {
        id: 'main-thread-busy',
        severity: 'problem',
        title: expect.stringContaining('94 % of the time, while the pool') as string,
      },
    ])
    expect(ids(made(18, 15))).toEqual(['main-thread-busy'])
    // It waits for a CPU in the rest of the time.
    expect(ids(made(15, 10, 4))).toEqual(['main-thread-busy'])
    expect(ids(made(10, 10))).toEqual([])
    expect(made(10, 10).findings[0].advice).toContain('had nothing to do for 75 % of the time')
    expect(ids(made(19, 30))).toEqual([])
  })

  test('tasks come one at a time', () => {
    const made = (gap: number, maxThreads: number, cpus = 4): Model => {
      const recording = new MadeRecording({ cpus, maxThreads }).life(3, 0, 3000).threads(100, 1)
      for (let count = 0; count < 40; count += 1) {
        const at = 100 + count * (20 + gap)
        recording.task({
          worker: 3,
          queued: at,
          dispatched: at,
          started: at,
          finished: at + 19,
          handled: at + 19.9,
        })
      }
      return recording.model()
    }
    expect(made(0, 4).findings).toMatchObject([
      { id: 'idle-worker', severity: 'problem', title: expect.stringContaining('one at a time') as string },
    ])
    expect(ids(made(2, 2))).toEqual(['idle-worker'])
    expect(ids(made(0, 1))).toEqual([])
    expect(ids(made(0, 4, 1))).toEqual([])
    // A server that has little to do.
    expect(ids(made(20, 4))).toEqual([])
  })

  test('what takes the time where nothing is wrong', () => {
    const made = (onCpu: number, helpers: number): string => {
      const recording = new MadeRecording({ cpus: 2, maxThreads: 2 }).threads(100, 2)
      recording.life(3, 0, 3000).life(4, 0, 3000).cpu(3, 100, 1).cpu(4, 100, 1)
      const end = recording.batch([3, 4], 40, 20, { onCpu })
      for (let ms = 100; ms <= end; ms += 20) {
        for (const worker of [3, 4]) recording.cpu(worker, ms, 1 + ((ms - 100) * onCpu) / 20)
        recording.cpuAll(ms, (ms - 100) * (onCpu / 10 + helpers), (ms - 100) * 0.3)
      }
      const { findings } = recording.model()
      expect(findings).toMatchObject([{ id: 'nothing-wrong' }])
      return findings[0].advice
    }
    expect(made(19, 0)).toContain('the work of the tasks themselves')
    expect(made(5, 0.2)).toMatch(/^Tasks were blocked for 75 % .* and not for a CPU\.$/)
    expect(made(5, 1)).toContain('UV_THREADPOOL_SIZE')
  })

  test('more threads than CPUs', () => {
    const made = (cpus: number, waitingForCpu: number): Model => {
      const recording = new MadeRecording({ cpus, maxThreads: 2 })
      recording.batch([3, 4], 40, 20, { onCpu: 20 - waitingForCpu, waitingForCpu })
      return recording.cpu(3, 1, 1).model()
    }
    expect(ids(made(1, 10))).toEqual(['more-threads-than-cpus'])
    expect(ids(made(1, 5))).toEqual(['more-threads-than-cpus'])
    expect(ids(made(1, 2))).toEqual([])
    expect(made(1, 10).findings).toMatchObject([{ costNs: 10 * MS, isCostOfEach: true }])
    expect(modelText(made(1, 10))).toContain(' It cost each task about 10.0 ms.\n')
    // Then other programs have the CPUs.
    expect(ids(made(2, 10))).toEqual([])
    expect(made(2, 10).findings).toMatchObject([
      {
        id: 'nothing-wrong',
        thin: expect.stringContaining('50 % of their time: other programs had them') as string,
      },
    ])
  })

  test('more threads compute than there are CPUs, though no pool has more', () => {
    const made = (main: number): Model => {
      const recording = new MadeRecording({ cpus: 2, maxThreads: 2 }).threads(100, 2)
      recording.life(3, 0, 1000).life(4, 0, 1000)
      const end = recording.batch([3, 4], 40, 20, { onCpu: 13, waitingForCpu: 7 })
      for (let ms = 100; ms <= end; ms += 20) {
        recording.cpu(0, ms, (ms - 100) * main, (ms - 100) * main)
        recording.cpu(3, ms, (ms - 100) * 0.65, (ms - 100) * 0.35)
        recording.cpu(4, ms, (ms - 100) * 0.65, (ms - 100) * 0.35)
        recording.cpuAll(ms, (ms - 100) * (1.3 + main), 0)
      }
      return recording.model()
    }
    const [found] = made(0.5).findings
    expect(found).toMatchObject({ id: 'more-threads-than-cpus', severity: 'hint' })
    expect(found.title).toContain('3 on 2 CPUs, the main thread among them')
    expect(found.advice).toContain('maxThreads: 1')
    expect(made(0.02).findings).toMatchObject([
      { id: 'nothing-wrong', thin: expect.stringContaining('Other programs had 0.7 of 2') as string },
    ])
  })

  test('one long task in front of short ones', () => {
    const made = (long: number, from: number): Model => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 })
      const shorts = (start: number): number => {
        for (let count = 0; count < 50; count += 1) {
          const at = start + count * 2
          recording.task({
            worker: 3,
            queued: 0,
            dispatched: at,
            started: at,
            finished: at + 2,
            handled: at + 2,
          })
        }
        return start + 100
      }
      const at = from === 0 ? 0 : shorts(0)
      recording.task({
        worker: 3,
        queued: 0,
        dispatched: at,
        started: at,
        finished: at + long,
        handled: at + long,
      })
      if (from === 0) shorts(long)
      return recording.model()
    }
    expect(ids(made(500, 0))).toEqual(['long-task-first'])
    // It leads to the long task.
    expect(made(500, 0).findings[0].at).toMatchObject({
      thread: { threadId: 3 },
      from: 0n,
      to: BigInt(500 * MS),
    })
    expect(ids(made(150, 0))).toEqual(['long-task-first'])
    expect(ids(made(500, 1))).toEqual([])
    expect(ids(made(10, 0))).toEqual([])
  })

  test('the main thread is busy while results lie', () => {
    const made = (stall: number): Model => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 })
      let time = 0
      for (let count = 0; count < 40; count += 1) {
        const finished = time + 10
        const handled = finished + (count % 10 === 5 ? stall : 0.1)
        recording.task({ worker: 3, queued: time, dispatched: time, started: time, finished, handled })
        time = handled
      }
      return recording.model()
    }
    expect(ids(made(300))).toEqual(['main-thread-stalled'])
    // It leads to the result that lay longest.
    const { at } = made(300).findings[0]
    expect([at?.thread?.threadId, Number((at?.to ?? 0n) - (at?.from ?? 0n)) / MS]).toEqual([0, 300])
    expect(ids(made(60))).toEqual(['main-thread-stalled'])
    expect(ids(made(40))).toEqual([])
    // It waited for a CPU itself, as is told before or after.
    const starved = (told: number): Model => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 }).cpu(0, 1, 0)
      recording.batch([3], 20, 10)
      recording.task({ worker: 3, queued: 400, dispatched: 400, started: 400, finished: 410, handled: 710 })
      return recording.cpu(0, told, 1, 280).model()
    }
    expect(ids(starved(705))).toEqual([])
    expect(ids(starved(750))).toEqual([])
  })

  test('garbage collection', () => {
    const made = (gc: number): readonly Finding[] => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 })
      recording.batch([3], 20, 20, { from: 0, way: 0 })
      for (let count = 0; count < 20; count += 1) recording.gc(3, count * 20 + 1, count * 20 + 1 + gc, 500)
      return recording.model().findings
    }
    expect(made(10)).toMatchObject([{ id: 'garbage-collection', severity: 'problem' }])
    expect(made(4)).toMatchObject([{ id: 'garbage-collection', severity: 'hint' }])
    expect(made(2)).toMatchObject([{ id: 'nothing-wrong' }])
    // It waited for V8's helpers, which had no CPU: then it was hardly on one itself.
    const starved = new MadeRecording({ cpus: 1, maxThreads: 1 })
    starved.batch([3], 20, 20, { from: 0, way: 0, onCpu: 2 })
    for (let count = 0; count < 20; count += 1) starved.gc(3, count * 20 + 1, count * 20 + 11, 500)
    expect(ids(starved.model())).toEqual([])
  })

  test('serializing, and tasks that are too small', () => {
    const made = (run: number, serialize: number, way = 0.05): Model => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 })
      let time = 0
      for (let count = 0; count < 400; count += 1) {
        const started = time + way
        const finished = started + run
        const handled = finished + serialize + way
        recording.task({ worker: 3, queued: time, dispatched: time, started, finished, handled, serialize })
        time = handled
      }
      return recording.model()
    }
    expect(ids(made(1, 20))).toEqual(['serialization'])
    // It leads to five tasks, of 21.1 ms each.
    const { at } = made(1, 20).findings[0]
    expect(at?.thread?.threadId).toBe(0)
    expect(Math.round(Number((at?.to ?? 0n) - (at?.from ?? 0n)) / MS / 21.1)).toBe(5)
    expect(ids(made(1, 1.5))).toEqual(['serialization'])
    expect(ids(made(3, 1.5))).toEqual([])
    // On the way to the worker the message was read: that takes a CPU. Or the worker waited for
    // one.
    const read = (onCpu: number): Model => {
      const recording = new MadeRecording({ cpus: 2, maxThreads: 1 }).life(3, 0, 3000).threads(0, 1)
      for (let count = 0; count < 40; count += 1) {
        const dispatched = 100 + count * 50
        const started = dispatched + 40
        const finished = started + 3
        recording.task({ worker: 3, queued: dispatched, dispatched, started, finished, handled: finished })
      }
      return recording
        .cpu(3, 143, 50)
        .cpu(3, 2200, 50 + onCpu, 1500)
        .model()
    }
    expect(ids(read(1600))).toEqual(['serialization'])
    expect(ids(read(300))).toEqual(['serialization'])
    expect(ids(read(130))).toEqual([])
    expect(ids(made(0.01, 0, 0.3))).toEqual(['tasks-too-small'])
    expect(ids(made(0.2, 0, 0.3))).toEqual(['tasks-too-small'])
    expect(ids(made(1, 0, 0.3))).toEqual([])
  })

  test('workers start again and again, or late', () => {
    const often = (workers: number, tasks: number): Model => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 })
      for (let count = 0; count < workers; count += 1) {
        const from = count * 300
        recording.life(3 + count, from, from + 250)
        recording.batch([3 + count], tasks, 20, { from: from + 60, way: 0 })
      }
      return recording.model()
    }
    expect(ids(often(8, 5))).toEqual(['worker-starts'])
    expect(ids(often(4, 5))).toEqual(['worker-starts'])
    expect(ids(often(2, 8))).toEqual([])
    // The reasons for it.
    const reason = (recording: MadeRecording): string =>
      recording.model().findings.find(({ id }) => id === 'worker-starts')?.title ?? ''
    const once = new MadeRecording({ cpus: 1, maxThreads: 1 })
    const aborted = new MadeRecording({ cpus: 1, maxThreads: 1 })
    for (let count = 0; count < 12; count += 1) {
      const from = count * 300
      const ends = { queued: from, dispatched: from + 60, handled: from + 245 }
      once.life(3 + count, from, from + 250)
      once.task({ worker: 3 + count, started: from + 60, finished: from + 240, ...ends })
      aborted.life(3 + count, from, from + 250).batch([3 + count], 3, 20, { from: from + 60, way: 0 })
      aborted.task({ worker: 3 + count, ...ends, dispatched: from + 130, failed: true })
    }
    expect(reason(once)).toContain('each task has a worker of its own')
    // A worker that never told of a run is the pool's, too.
    const never = new MadeRecording({ cpus: 1, maxThreads: 2 })
    for (let count = 0; count < 12; count += 1) {
      const from = count * 100
      never.life(3 + count, from, from + 200)
      never.message({ worker: 3 + count, at: from })
      never.task({ worker: 3 + count, queued: 0, dispatched: from + 55, handled: from + 199, failed: true })
    }
    expect(never.model()).toMatchObject({
      crews: [],
      pools: [{ threads: 12, threadsAtOnce: 2, abandoned: 12 }],
    })
    expect(ids(never.model())).toEqual(['idle-worker', 'worker-starts'])
    expect(reason(aborted)).toContain('a task that is aborted while it runs ends its worker')
    const late = (online: number): Model => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 })
      recording.life(3, 0, 3000, { online })
      recording.task({
        worker: 3,
        queued: 0,
        dispatched: 1,
        started: online,
        finished: online + 10,
        handled: online + 11,
      })
      recording.batch([3], 20, 20, { from: online + 20, way: 0 })
      return recording.model()
    }
    expect(ids(late(900))).toEqual(['worker-starts'])
    expect(ids(late(100))).toEqual([])
    const loading = (started: number): Model => {
      const recording = new MadeRecording({ cpus: 1, maxThreads: 1 }).life(3, 0, 3000)
      const finished = started + 10
      recording.task({ worker: 3, queued: 0, dispatched: 1, started, finished, handled: finished })
      recording.batch([3], 20, 20, { from: finished, way: 0 })
      return recording.model()
    }
    expect(loading(900).threads[1]).toMatchObject({ loadNs: 850 * MS })
    expect(loading(900).pools[0].startWaits).toEqual({ tasks: 1, ns: 900 * MS })
    expect(ids(loading(900))).toEqual(['worker-starts'])
    expect(ids(loading(400))).toEqual(['worker-starts'])
    expect(ids(loading(100))).toEqual([])
    expect(loading(55).threads[1]).toMatchObject({ loadNs: 0 })
  })

  test('a worker for each piece of work', () => {
    const made = (workers: number, life: number): Model => {
      const recording = new MadeRecording()
      for (let count = 0; count < workers; count += 1) {
        recording.life(3 + count, count * 10, count * 10 + life, { exitCode: 0 })
      }
      return recording.model()
    }
    expect(ids(made(20, 60))).toEqual(['worker-starts'])
    expect(ids(made(6, 200))).toEqual(['worker-starts'])
    expect(ids(made(20, 600))).toEqual([])
    expect(ids(made(4, 60))).toEqual([])
  })

  test('uneven work', () => {
    const made = (long: number): Model => {
      const recording = new MadeRecording({ cpus: 2, maxThreads: 2 })
      recording.task({
        worker: 3,
        queued: 0,
        dispatched: 0,
        started: 0,
        finished: long,
        handled: long,
        onCpu: long,
      })
      recording.batch([4], 20, 10, { from: 0, way: 0 })
      return recording.model()
    }
    expect(ids(made(1000))).toEqual(['uneven-work'])
    expect(ids(made(500))).toEqual(['uneven-work'])
    expect(ids(made(220))).toEqual([])
    // They come one by one, most of them to one worker, and find it free: nobody waits for it.
    const recording = new MadeRecording({ cpus: 2, maxThreads: 2 })
    const run = (worker: number, at: number, end: number): unknown =>
      recording.task({
        worker,
        queued: at,
        dispatched: at,
        started: at,
        finished: end,
        handled: end,
        onCpu: end - at,
      })
    for (let at = 0; at < 1000; at += 20) run(at % 200 === 0 ? 4 : 3, at, at + 18)
    run(4, 500, 510)
    expect(ids(recording.model())).toEqual([])
  })

  test('idle workers, and one that never came', () => {
    const made = (idle: number, known: number): Model => {
      const recording = new MadeRecording({ cpus: 4, maxThreads: known })
      for (let threadId = 3; threadId <= 3 + idle; threadId += 1) recording.life(threadId, 0, 3000)
      recording.threads(100, known)
      for (let count = 0; count < 50; count += 1) {
        const at = 100 + count * 20
        recording.task({
          worker: 3,
          queued: at,
          dispatched: at,
          started: at,
          finished: at + 19,
          handled: at + 20,
        })
      }
      return recording.model()
    }
    expect(made(3, 4).findings).toMatchObject([{ id: 'idle-worker', severity: 'problem' }])
    expect(ids(made(1, 2))).toEqual(['idle-worker'])
    // Two at once, and four threads.
    const two = new MadeRecording({ cpus: 4, maxThreads: 4 })
    for (const threadId of [3, 4, 5, 6]) two.life(threadId, 0, 3000)
    for (const threadId of [3, 4]) two.batch([threadId], 1, 600)
    two.threads(100, 4)
    for (let at = 800; at < 1000; at += 20) {
      two.task({ worker: 3, queued: at, dispatched: at, started: at, finished: at + 19, handled: at + 19.5 })
    }
    expect(two.model().findings).toMatchObject([
      {
        id: 'idle-worker',
        severity: 'hint',
        title: expect.stringContaining('never more than 2 tasks at once') as string,
      },
    ])
    expect(ids(made(0, 1))).toEqual([])
    // Others than the pool's.
    expect(ids(made(3, 1))).toEqual([])
    const never = new MadeRecording().life(3, 0, 1500, { online: 9999 }).model()
    expect(never.findings).toMatchObject([{ id: 'idle-worker', severity: 'problem' }])
    expect(ids(new MadeRecording().life(3, 0, 900, { online: 9999 }).model())).toEqual([])
  })

  test('a worker that died, and one that was terminated', () => {
    const made = (end: { exitCode: number; error?: string }): readonly Finding[] => {
      const recording = new MadeRecording()
      return recording.life(3, 0, 500, end).life(4, 510, 2000).model().findings
    }
    const [died] = made({ exitCode: 1, error: 'out of memory' })
    expect(died).toMatchObject({ id: 'worker-died', severity: 'problem', at: { from: 0n } })
    expect(died.title).toContain('died: the heap reached its limit.')
    expect(died.evidence).toContainEqual({ label: 'of these, replaced by another', value: 1, unit: '' })
    expect(made({ exitCode: 3 })).toMatchObject([{ id: 'worker-died' }])
    expect(made({ exitCode: 1 })).toEqual([])
  })

  test('workers that died of different things', () => {
    const recording = new MadeRecording()
    const ends = [
      { error: 'no such thing' },
      { error: 'no such thing' },
      { error: 'JS heap out of memory' },
      { error: 'no such thing' },
      { exitCode: 7 },
      { exitCode: 13 },
      {},
    ]
    ends.forEach((end, at) => recording.life(3 + at, at * 100, at * 100 + 90, end))
    // It has told so itself; else it was terminated.
    recording.exits(9, 680, 1)
    const { findings } = recording.life(10, 700, 790).model()
    expect(findings.map(({ title }) => title)).toEqual([
      '3 workers died of an error that it did not catch: no such thing.',
      'Worker 5 died: the heap reached its limit.',
      'Worker 7 ended with exit code 7.',
      'Worker 8 ended with exit code 13: an await at the top level of the module never settled.',
      'Worker 9 ended with exit code 1.',
    ])
    expect(new Set(findings.map(({ advice }) => advice)).size).toBe(findings.length)
    expect(findings[0].evidence[0]).toMatchObject({ value: 3 })
  })

  /** The main thread alone, on a CPU for a part of the time. */
  const alone = (busy: number, { ms = 2000, machineIdle = 0.9, cpus = 2 } = {}): MadeRecording => {
    const recording = new MadeRecording({ cpus })
    for (let at = 0; at <= ms; at += 100)
      recording.cpu(0, at, busy * at).cpuAll(at, busy * at, machineIdle * at)
    return recording
  }

  test('one thread that does all the work while CPUs idle', () => {
    const [found, ...others] = alone(0.95).model().findings
    expect(others).toEqual([])
    expect(found).toMatchObject({ id: 'single-thread', severity: 'hint', costNs: 0 })
    expect(found.title).toContain('on a CPU for 95 % of 2.00 s, while 0.9 of 2 CPUs were idle.')
    // Half of the time it waits; the CPUs are taken; there is no other; a worker works, too; short.
    expect(alone(0.5).model().findings).toEqual([])
    expect(alone(0.95, { machineIdle: 0.1 }).model().findings).toEqual([])
    expect(alone(0.95, { cpus: 1 }).model().findings).toEqual([])
    expect(alone(0.95).life(3, 0, 1990).cpu(3, 100, 50).cpu(3, 1900, 500).model().findings).toEqual([])
    expect(alone(0.95, { ms: 800 }).model().findings).toEqual([])
  })

  test('a server that stands still', () => {
    const made = (stalls: number, length: number, waited = 0): MadeRecording => {
      const recording = alone(0.95).cpu(0, 1999, 1900, waited)
      for (let at = 100; at < 1900; at += 100)
        recording.request(at, at + 10, `/users?id=${at}`, at < 300 ? 500 : 200)
      for (let at = 0; at < stalls; at += 1) recording.stall(200 + at * 300, 200 + at * 300 + length)
      return recording
    }
    const { findings, io } = made(3, 100).model()
    expect(findings).toMatchObject([{ id: 'main-thread-stalled', severity: 'problem', costNs: 300 * MS }])
    expect(findings[0].title).toContain('stood still 3 times, up to 100 ms, while it served HTTP')
    expect(findings[0].at).toMatchObject({ from: 200n * BigInt(MS), to: 300n * BigInt(MS) })
    expect(io).toMatchObject([
      { kind: 'http:request', name: 'GET /users', failed: 2, duration: { count: 18 } },
    ])
    const ofOne = made(1, 60).model()
    expect(ofOne.findings).toMatchObject([{ id: 'single-thread' }])
    expect(modelText(ofOne)).toMatch(/^http:request +GET \/users +18 +10.0 ms .* 2$/m)
    expect(modelText(ofOne)).toMatch(/^main +0 .* stood still once, for 60.0 ms$/m)
    // It had no CPU then. Nor is a loop that stands still before there are requests a fault.
    expect(made(3, 100, 250).model().findings).toMatchObject([{ id: 'single-thread' }])
    expect(alone(0.5).stall(500, 900).model().findings).toEqual([])
  })

  test('garbage of a main thread', () => {
    const made = (gc: number): readonly Finding[] =>
      alone(0.95)
        .gcOfMain(100, 100 + gc)
        .model().findings
    expect(made(1000)).toMatchObject([{ id: 'garbage-collection', severity: 'problem' }])
    expect(made(450)).toMatchObject([{ id: 'garbage-collection', severity: 'hint' }])
    expect(made(300)).toMatchObject([{ id: 'single-thread' }])
    // It is that of the large results which the main thread reads.
    const reads = (serialize: number): readonly string[] => {
      const recording = alone(0.95).gcOfMain(100, 1100)
      for (let count = 0; count < 40; count += 1) {
        const dispatched = 100 + count * 45
        const [started, finished] = [dispatched + 0.1, dispatched + 1.1]
        const handled = finished + 2 * serialize
        recording.task({ worker: 3, queued: dispatched, dispatched, started, finished, handled, serialize })
      }
      return ids(recording.model())
    }
    expect(reads(0)).toContain('garbage-collection')
    expect(reads(20)).toContain('serialization')
    expect(reads(20)).not.toContain('garbage-collection')
  })

  test('a program without workers has the shares of its thread; a trace without probes has none', () => {
    expect(modelText(alone(0.5).model())).toMatch(/^thread .*\nmain +0 +50\.0 %/m)
    const trace = new MadeTrace()
    trace.happened(trace.thread(trace.process(7), 0, 'main'), trace.event('own'), 5n)
    expect(modelText(analyse(trace))).toBe('')
  })

  test('a worker that was terminated with a task under way', () => {
    const made = (isLost: boolean): readonly Finding[] => {
      const recording = new MadeRecording().life(3, 0, 500)
      recording.task({ worker: 3, queued: 50, dispatched: 51, started: 60, finished: 70, handled: 71 })
      const way = { worker: 3, queued: 100, dispatched: 101, handled: 501, failed: true }
      recording.task(isLost ? way : { ...way, started: 102, finished: 490 })
      return recording.model().findings
    }
    expect(made(true)).toMatchObject([{ id: 'worker-died', severity: 'hint' }])
    expect(made(true)[0].title).toBe('1 worker of piscina-1 was terminated with a task under way.')
    expect(made(false)).toEqual([])
  })

  test('memory near the limit', () => {
    const made = (used: bigint): readonly Finding[] =>
      new MadeRecording().memory(3, 100, used, 100n).memory(3, 200, used, 100n).model().findings
    const [once] = new MadeRecording().memory(3, 100, 95n, 100n).memory(3, 200, 50n, 100n).model().findings
    expect(once).toMatchObject({ id: 'memory-limit', severity: 'hint' })
    expect(once.thin).toContain('only once')
    expect(made(95n)).toMatchObject([{ id: 'memory-limit', severity: 'problem' }])
    expect(made(80n)).toMatchObject([{ id: 'memory-limit', severity: 'hint' }])
    expect(made(60n)).toEqual([])
    // Of a damaged trace: no limit is no part of it.
    expect(new MadeRecording().memory(3, 100, 95n, 0n).model().findings).toEqual([])
  })

  test('losses make the evidence thin; short runs and unknown CPUs keep silent', () => {
    const lossy = queued(4, 20)
    lossy.at(2000, (time) => lossy.trace.loss(lossy.main, time, time, 500))
    expect(lossy.model().findings).toMatchObject([
      { id: 'too-few-threads', severity: 'hint', thin: 'The recording lost 500 events.' },
    ])
    const short = new MadeRecording()
    short.batch([3], 4, 20)
    expect(short.model().findings).toEqual([])
    // Tasks ran elsewhere, in child processes.
    const elsewhereRun = new MadeRecording()
    for (let at = 0; at < 2000; at += 100)
      elsewhereRun.task({ worker: 0, queued: at, dispatched: at + 1, handled: at + 90 })
    expect(elsewhereRun.model().findings).toEqual([])
    // Few tasks that take long are enough.
    const long = new MadeRecording({ cpus: 1, maxThreads: 1 })
    long.batch([3], 4, 500, { from: 0, way: 0 })
    expect(ids(long.gc(3, 100, 1100).model())).toEqual(['garbage-collection'])
    const shorter = new MadeRecording({ cpus: 1, maxThreads: 1 })
    shorter.batch([3], 12, 15, { from: 0, way: 0 })
    expect(shorter.cpu(3, 1, 1).gc(3, 10, 160, 180).model().findings).toMatchObject([
      { id: 'garbage-collection', severity: 'hint', thin: 'It had work for only 180 ms.' },
    ])
    const cut = new MadeRecording({ cpus: 1, maxThreads: 1 }).cpu(3, 1, 1)
    cut.batch([3], 20, 20, { from: 0, way: 0 })
    for (let count = 0; count < 10; count += 1) cut.task({ worker: 3, queued: 100 })
    expect(cut.gc(3, 100, 300, 390).model().findings).toMatchObject([
      { id: 'garbage-collection', severity: 'hint', thin: '10 tasks of 30 had no end in the recording.' },
    ])
    const elsewhere = new MadeRecording({ cpus: 8, maxThreads: 1 })
    elsewhere.batch([3], 40, 20, { onCpu: 0 })
    const [fine] = elsewhere.model().findings
    expect(fine.id).toBe('nothing-wrong')
    expect(fine.title).toContain('the time on CPUs is not known')
    const garbage = new MadeRecording({ cpus: 8, maxThreads: 1 }).gc(3, 100, 500, 890)
    garbage.batch([3], 40, 20, { onCpu: 0 })
    expect(garbage.model().findings).toMatchObject([
      {
        id: 'garbage-collection',
        thin: expect.stringContaining('how long threads waited for a CPU') as string,
      },
    ])
  })

  test('each has an id of its own', () => {
    expect(new Set(FINDING_IDS).size).toBe(15)
  })
})
