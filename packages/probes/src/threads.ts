/**
 * The probe `threads`: which process this is, which workers it starts, when each came online and
 * was ready, how it ended, and how much memory each thread uses.
 *
 * A worker's life is an asynchronous span on the thread that started it, with the worker's thread
 * id as its id. What it runs and how it is called stands in the facts of the trace. A worker that
 * was started with an environment of its own does not load the probes (its own `NODE_OPTIONS`
 * count), but its start and end are seen, and its file: Node posts that to it.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { errorMonitor } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import type { Worker } from 'node:worker_threads'
import { asyncSpan, span, t, tracepoint, whileRecording } from '@rchan/trace'
import { atExit } from './at-exit.js'
import { cpuCount } from './cpu-count.js'
import { MEMORY_INTERVAL_MS, startMemory, tellMemory } from './memory.js'
import { tapPorts } from './ports.js'
import { guarded, type Probe, type ProbeContext } from './probe.js'
import { reasonOf } from './reason.js'
import { late } from './late.js'

const CHANNEL = 'worker_threads'
const CHILDREN = 'child_process'
const LONGEST_COMMAND = 200
/** What kind of message Node posts to a new worker. */
const LOAD_SCRIPT = 'loadScript'
/** What Node calls the file of a worker that has none. */
const EVALUATED = '[worker eval]'
// As they are now: the program may replace them.
const { queueMicrotask, setImmediate, setInterval, clearInterval } = globalThis

const processStarted = late(() =>
  tracepoint('process:started', {
    ppid: 'u32',
    /** The recorded process that has started it, maybe by a shell; 0: none. */
    parent: 'u32',
    cpus: 'u32',
    command: 'string',
    folder: 'string',
  }),
)
/** A process that this one has started. It may be none of Node's, and may not be recorded. */
const child = late(() =>
  tracepoint('process:child', {
    pid: 'u32',
    file: t.string({ max: LONGEST_COMMAND }),
    command: t.string({ max: LONGEST_COMMAND }),
  }),
)
const life = late(() =>
  asyncSpan('worker:life', {
    begin: { threadId: 'u32', heapLimitMb: 'f64', stackMb: 'f64', file: 'string' },
    end: { exitCode: 'i32', error: 'string' },
  }),
)
/** An error that a worker did not catch, as the thread that started it hears of it. */
const failed = late(() =>
  tracepoint('worker:error', { threadId: 'u32', message: 'string' }, { level: 'error' }),
)
/**
 * A worker ends itself with a code that is not 0. One that is terminated does not tell, and its
 * parent hears 1 of both.
 */
const exits = late(() => tracepoint('worker:exits', { code: 'i32' }))
const online = late(() => tracepoint('worker:online', { threadId: 'u32' }))
/**
 * In the worker: from the first code of the preload until its event loop turns for the first time.
 */
const boot = late(() => span('worker:boot'))
export const threads: Probe = {
  name: 'threads',
  description: 'workers: start, online, ready, exit, memory',
  byDefault: true,
  install(context) {
    /** Of the workers that live: what takes their listeners back. */
    const watched = new Set<() => void>()
    const files = workerFiles()
    const seen = guarded(context, (message: unknown) =>
      watch((message as { worker: Worker }).worker, files.take(), context, watched),
    )
    subscribe(CHANNEL, seen)
    // Its process is started once the listeners have returned.
    const seenChild = guarded(context, (message: unknown) => {
      const { process: started } = message as { process: ChildProcess }
      queueMicrotask(guarded(context, () => tellChild(started)))
    })
    subscribe(CHILDREN, seenChild)
    let forgetExit = (): void => undefined
    if (!context.isMainThread) {
      forgetExit = atExit(guarded(context, tellExit))
      const token = boot().begin()
      // The first turn of the event loop comes after the worker's main module has run, or, if that
      // is an ES module, has begun to load.
      setImmediate(() => boot().end(token)).unref()
    }
    const end = whileRecording(() => {
      if (context.isMainThread) {
        processStarted()({
          ppid: process.ppid,
          parent: context.parent,
          cpus: cpuCount(),
          command: [process.argv[0], ...process.execArgv, ...process.argv.slice(1)].join(' '),
          folder: process.cwd(),
        })
      }
      const endMemory = startMemory()
      const timer = setInterval(guarded(context, tellMemory), MEMORY_INTERVAL_MS)
      timer.unref()
      return () => {
        clearInterval(timer)
        endMemory()
      }
    })
    return () => {
      files.end()
      unsubscribe(CHANNEL, seen)
      unsubscribe(CHILDREN, seenChild)
      for (const forget of watched) forget()
      forgetExit()
      end()
    }
  },
}

function tellExit(): void {
  const code = Number(process.exitCode ?? 0)
  if (code !== 0) exits()({ code })
}

function tellChild({ pid, spawnfile, spawnargs }: ChildProcess): void {
  // It could not be started.
  if (pid === undefined) return
  child()({ pid, file: spawnfile, command: spawnargs.join(' ') })
}

/** The files of new workers, as Node posts them to these. */
interface WorkerFiles {
  /** That of the worker that has just been made; empty if it isn't known. */
  take(): string
  end(): void
}

function workerFiles(): WorkerFiles {
  let latest = ''
  const posting = (
    _port: unknown,
    message: unknown,
    _sort: unknown,
    transferred: readonly unknown[],
  ): void => {
    // The worker's port is always in it. Most messages have none, and each passes here.
    if (transferred.length === 0 || typeof message !== 'object' || message === null) return
    // A getter of the program may throw.
    const type = Object.getOwnPropertyDescriptor(message, 'type')?.value as unknown
    if (type !== LOAD_SCRIPT) return
    const { filename, doEval } = message as { filename?: unknown; doEval?: unknown }
    // A module may be in a URL, in whole.
    const isFile = doEval === false && typeof filename === 'string' && !filename.startsWith('data:')
    latest = isFile ? filename : EVALUATED
  }
  let end = (): void => undefined
  try {
    end = tapPorts({ posting })
  } catch {
    // This Node hands messages on in another way.
  }
  const take = (): string => {
    const file = latest
    latest = ''
    return file
  }
  return { take, end }
}

function watch(worker: Worker, file: string, context: ProbeContext, watched: Set<() => void>): void {
  const { threadId, resourceLimits = {} } = worker
  // A recorder's own thread has no number yet when it is told of, or is known.
  if (typeof threadId !== 'number' || threadId < 0) return
  const { maxOldGenerationSizeMb = 0, stackSizeMb = 0 } = resourceLimits
  // −1 stands for the default of Node.
  const heapLimitMb = Math.max(0, maxOldGenerationSizeMb)
  life().begin(threadId, { threadId, heapLimitMb, stackMb: Math.max(0, stackSizeMb), file })
  let why = ''
  const onOnline = guarded(context, () => online()({ threadId }))
  const onError = guarded(context, (error: unknown) => {
    why = reasonOf(error)
    failed()({ threadId, message: why })
  })
  const onExit = guarded(context, (exitCode: number) => {
    watched.delete(forget)
    if (why === '') life().end(threadId, { exitCode, error: '' })
    else life().fail(threadId, { exitCode, error: why })
  })
  const forget = (): void => {
    watched.delete(forget)
    worker.off('online', onOnline)
    worker.off(errorMonitor, onError)
    worker.off('exit', onExit)
  }
  watched.add(forget)
  worker.once('online', onOnline)
  // A listener of `error` itself would keep the error from ending the program.
  worker.on(errorMonitor, onError)
  worker.once('exit', onExit)
}
