// A program that records and then dies, in one of the ways of `ways.mjs`. Its threads count their
// attempts themselves: calls of a tracepoint that began, and those that returned.
//
// Usage: program.mjs ORDER, where ORDER is JSON (see `orderOf` in ways.mjs). It prints "first" when
// each thread has written its first events, and waits for a line on its standard input. Then all
// threads write until it dies, or until it prints the summary and the counts.
import { once } from 'node:events'
import { readSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { startRecording, tracepoint } from 'rchan'

const step = tracepoint('way:step', { thread: 'u32', step: 'u32', value: 'f64' })
const text = tracepoint('way:text', { thread: 'u32', step: 'u32', text: 'string' })

/** Words of the shared memory. From COUNTS on there are two for each thread: begun, returned. */
const GO = 0
const STOP = 1
const READY = 2
const COUNTS = 4

function write(words, thread, count) {
  const at = COUNTS + 2 * thread
  for (let i = 0; i < count; i += 1) {
    const n = words[at]
    words[at] = n + 1
    if (n % 8 === 7) text({ thread, step: n, text: 'x'.repeat(n % 100) })
    else step({ thread, step: n, value: n / 3 })
    words[at + 1] += 1
  }
}

/** So many numbers on the heap, made fast. */
function numbers(count) {
  const list = []
  for (let i = 0; i < count; i += 1) list.push(i + 0.5)
  return list
}

if (isMainThread) await main()
else work(workerData)

/**
 * A worker: its first events, then bursts until it is told to stop, or, where it `dies`, as many as
 * `after` says. `inner` is the order of a worker that this one starts.
 */
function work({ words, thread, first, burst, pauseMs, dies, after, inner, waits }) {
  write(words, thread, first)
  if (inner !== undefined)
    new Worker(new URL(import.meta.url), { workerData: { ...inner, words, first } }).on(
      'error',
      () => undefined,
    )
  Atomics.add(words, READY, 1)
  Atomics.notify(words, READY)
  if (waits) Atomics.wait(words, GO, 0)
  const hoard = []
  for (let bursts = 0; Atomics.load(words, STOP) === 0; bursts += 1) {
    write(words, thread, burst)
    if (pauseMs > 0) Atomics.wait(words, STOP, 0, pauseMs)
    if (dies === undefined || bursts < after) continue
    if (dies === 'exit') process.exit()
    if (dies === 'throw') throw new Error('thrown by a worker')
    // A heap that never gets free, a little more each time.
    if (dies === 'heap') hoard.push(numbers(400_000))
  }
}

async function main() {
  const order = JSON.parse(process.argv[2])
  const { path, options, way, first, threads, rounds, delayMs, countsPath } = order
  const words = new Int32Array(new SharedArrayBuffer(4 * (COUNTS + 2 * (1 + rounds * threads.length))))
  const byRecorder = way === 'recorder terminated'
  const recorder = byRecorder ? await recordInWorker(path, options) : undefined
  const recording = byRecorder ? undefined : await startRecording({ path, ...options })
  let deaths = 0
  const codes = []
  const start = (plan, offset) => {
    const thread = plan.thread + offset
    const inner = plan.inner && { ...plan.inner, thread: plan.inner.thread + offset }
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...plan, thread, inner, words, first },
      ...(plan.dies === 'heap' && {
        resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 },
      }),
    })
    worker.on('error', (error) => codes.push(error.code ?? error.message))
    return worker
  }
  const awaitReady = (count) => {
    for (let seen; (seen = Atomics.load(words, READY)) < count;) Atomics.wait(words, READY, seen, 100)
  }
  const outer = threads.filter(({ isInner }) => !isInner)
  const go = () => {
    Atomics.store(words, GO, 1)
    Atomics.notify(words, GO)
  }
  const bursts = async (until, rest = setImmediate) => {
    while (!until()) {
      write(words, 0, 20)
      await rest()
    }
  }
  const forMs = (ms) => {
    const end = performance.now() + ms
    return () => performance.now() > end
  }

  write(words, 0, first)
  let running = outer.map((plan) => start(plan, 0))
  awaitReady(threads.length)
  writeSync(1, 'first\n')
  // Blocks the event loop: nothing of what was written needs it to get to the disk.
  readSync(0, Buffer.alloc(16))

  /** What all threads have written by now is written beside the trace, too. */
  const note = () => {
    const { length } = words
    const counts = []
    for (let at = COUNTS + 1; at < length; at += 2) counts.push(Atomics.load(words, at))
    writeFileSync(countsPath, JSON.stringify(counts))
  }
  const finish = async (more = {}) => {
    Atomics.store(words, STOP, 1)
    Atomics.notify(words, STOP)
    await Promise.all(running.map((worker) => (worker.threadId < 0 ? undefined : once(worker, 'exit'))))
    const summary = await recording.stop()
    const counts = words.slice(COUNTS)
    const sum = (part) => counts.reduce((total, count, i) => total + (i % 2 === part ? count : 0), 0)
    const { events, discarded, overwritten, torn, unwritten, error, warnings } = summary
    const said = { events, discarded, overwritten, torn, unwritten, error, warnings }
    writeSync(1, `${JSON.stringify({ ...said, begun: sum(0), returned: sum(1), deaths, codes, ...more })}\n`)
  }

  go()
  switch (way) {
    case 'exit':
      await bursts(forMs(delayMs))
      note()
      process.exit(7)
      break
    case 'throw':
      await bursts(forMs(delayMs))
      note()
      throw new Error('thrown by main')
    case 'reject':
      await bursts(forMs(delayMs))
      note()
      void Promise.reject(new Error('rejected by main'))
      break
    case 'end':
      await bursts(forMs(delayMs))
      for (const worker of running) worker.unref()
      note()
      break
    case 'worker exit':
    case 'worker throw':
    case 'worker out of heap':
    case 'worker terminated': {
      for (let round = 0; round < rounds; round += 1) {
        if (round > 0) running = outer.map((plan) => start(plan, round * threads.length))
        deaths += threads.length
        let left = running.length
        for (const worker of running) worker.once('exit', () => (left -= 1))
        if (way === 'worker terminated') {
          await bursts(forMs(order.delays[round]))
          for (const worker of running) void worker.terminate()
        }
        // A heap can take seconds to get full.
        await bursts(
          () => left === 0,
          () => setTimeout(1),
        )
      }
      await finish()
      break
    }
    case 'recorder terminated':
      await bursts(forMs(delayMs))
      await recorder.terminate()
      // This thread and the others go on, and a new recording starts.
      await bursts(() => !step.enabled)
      await endAll(words, running)
      {
        const next = await startRecording({ path: `${path} next`, ...options })
        write(words, 0, 100)
        const { events } = await next.stop()
        writeSync(1, `${JSON.stringify({ next: events })}\n`)
      }
      break
    case 'abort':
      await bursts(forMs(delayMs))
      process.abort()
      break
    case 'segfault':
      await bursts(forMs(delayMs))
      process.kill(process.pid, 'SIGSEGV')
      break
    case 'really exit':
      await bursts(forMs(delayMs))
      process.reallyExit(3)
      break
    case 'out of memory': {
      const hoard = []
      for (;;) {
        write(words, 0, 20)
        hoard.push(numbers(50_000))
      }
    }
    case 'endless loop':
      for (;;) write(words, 0, 1)
    case 'killed from outside':
      await bursts(() => false)
      break
    case 'told to stop': {
      let told = false
      process.stdin.once('data', () => (told = true))
      await bursts(() => told)
      process.stdin.destroy()
      await finish({ isAlive: true })
      break
    }
    case 'disk full':
      await bursts(() => statfsSync(path).bavail === 0)
      await bursts(forMs(delayMs))
      await finish({ isAlive: true })
      break
    case 'files fail':
      await bursts(forMs(delayMs))
      await finish({ isAlive: true })
      break
    default:
      throw new Error(`way=${way}`)
  }
}

async function endAll(words, running) {
  Atomics.store(words, STOP, 1)
  Atomics.notify(words, STOP)
  await Promise.all(running.map((worker) => (worker.threadId < 0 ? undefined : once(worker, 'exit'))))
  await setTimeout(0)
}

/** A worker that does nothing but record. */
async function recordInWorker(path, options) {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.rchan)
      .then(({ startRecording }) => startRecording(workerData.options))
      .then(() => parentPort.postMessage('records'))
    parentPort.on('message', () => undefined)`
  const worker = new Worker(program, {
    eval: true,
    workerData: { rchan: import.meta.resolve('rchan'), options: { path, ...options } },
  })
  await once(worker, 'message')
  return worker
}
