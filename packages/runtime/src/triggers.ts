/**
 * The triggers of a flight recording on the thread that records: a signal, its own uncaught
 * exceptions, the deaths of its workers, and its heartbeat. The others are on the consumer thread
 * (`lookout.ts`) and in the threads that die (`last-words.ts`).
 *
 * None of them changes what becomes of an error, or keeps the process alive. A signal with a
 * listener no longer ends the process. Where ours is the only one, a signal that asks a process to
 * end (SIGTERM, say) is sent again without it, after the snapshot.
 */
import { errorMonitor } from 'node:events'
import { getHeapStatistics } from 'node:v8'
import type { Worker } from 'node:worker_threads'
import { PLACE } from './arena.js'
import { call } from './call.js'
import type { Cpu } from './cpu.js'
import { Heartbeat } from './heartbeat.js'
import { exceptionText, LAST_WORDS, TELL, tellDying } from './last-words.js'
import { thisProcess } from './process.js'
import { causeOf, errorText, type SnapshotCause } from './trigger.js'

/** What triggers a snapshot. */
export interface TriggerOptions {
  readonly signal?: NodeJS.Signals | undefined
  /** Uncaught exceptions of the recording thread and of the main thread. */
  readonly exception: boolean
  /** Workers that die with an error. */
  readonly workerError: boolean
  /** How long the event loop of the recording thread may stand still, in milliseconds. */
  readonly stallMs?: number | undefined
  /** The heap of the recording thread, as a share of its limit. */
  readonly heapShare?: number | undefined
}

/** Signals that ask a process to end. */
const ENDING: readonly string[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGBREAK']
/** The exit code of a worker that was terminated; also of one that died of an error. */
const TERMINATED = 1

/** The triggers of one recording, from its start to {@link end}. */
export class Triggers {
  readonly #cpu: Cpu
  readonly #options: TriggerOptions
  readonly #heartbeat: Heartbeat | undefined
  /** An error that a worker died of. Where nobody listens, Node throws it here, too. */
  #workerError: unknown = undefined
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#signal(signal)
  readonly #onException = (error: unknown, origin?: string): void => {
    if (this.#options.workerError && error !== undefined && error === this.#workerError) return
    this.#dying(causeOf('exception', exceptionText(error, origin), this.#cpu.thread.threadId))
  }
  readonly #onWorker = (worker: Worker): void => this.#watch(worker)

  /**
   * Sets them up. The recording must be enabled by now.
   *
   * @throws the error of a `newListener` listener of the program.
   */
  constructor(cpu: Cpu, options: TriggerOptions) {
    this.#cpu = cpu
    this.#options = options
    const { signal, exception, workerError, stallMs = 0, heapShare } = options
    try {
      if (signal !== undefined) thisProcess.on(signal, this.#onSignal)
      if (exception) thisProcess.on('uncaughtExceptionMonitor', this.#onException)
      if (workerError) thisProcess.on('worker', this.#onWorker)
      if (stallMs > 0 || heapShare !== undefined)
        this.#heartbeat = new Heartbeat(cpu, stallMs, heapShare === undefined ? undefined : heapUse)
    } catch (error) {
      this.end()
      throw error
    }
  }

  /** Removes them. A signal does what it does without a listener from here on. */
  end(): void {
    const { signal } = this.#options
    if (signal !== undefined) thisProcess.off(signal, this.#onSignal)
    thisProcess.off('uncaughtExceptionMonitor', this.#onException)
    thisProcess.off('worker', this.#onWorker)
    this.#heartbeat?.end()
  }

  /** The value of the arena's `lastWords` for these options. */
  static lastWords({ exception, workerError }: TriggerOptions): number {
    return (exception ? LAST_WORDS.main : 0) | (workerError ? LAST_WORDS.workers : 0)
  }

  #signal(signal: NodeJS.Signals): void {
    const cause = causeOf('signal', `the process got ${signal}`)
    if (!ENDING.includes(signal) || thisProcess.listenerCount(signal) > 1) {
      this.#tell(cause)
      return
    }
    this.#dying(cause)
    thisProcess.off(signal, this.#onSignal)
    thisProcess.kill(thisProcess.pid, signal)
  }

  /**
   * Watches a worker. Only listens in a way that does not count as handling its errors. An exit
   * code of 1 without an error is that of `terminate()`, and no death with an error. (A worker that
   * traces says itself that it calls `process.exit(1)`.)
   */
  #watch(worker: Worker): void {
    const { threadId } = worker
    let hasFailed = false
    worker.once(errorMonitor, (error: unknown) => {
      hasFailed = true
      const cause = this.#death(threadId, `died of ${errorText(error)}`)
      if (worker.listenerCount('error') > 0) {
        this.#tell(cause)
        return
      }
      // Node throws the error here next.
      this.#workerError = error
      this.#dying(cause)
    })
    worker.once('exit', (code) => {
      if (code === 0 || code === TERMINATED || hasFailed) return
      this.#tell(this.#death(threadId, `ended with exit code ${code}`))
    })
  }

  #death(threadId: number, how: string): SnapshotCause {
    const name = nameOf(this.#cpu, threadId)
    return causeOf('worker', `worker ${threadId}${name === undefined ? '' : ` (${name})`} ${how}`, threadId)
  }

  /** Tells the consumer, which takes the snapshot meanwhile. */
  #tell(cause: SnapshotCause): void {
    call(this.#cpu.control, TELL, cause).catch(() => undefined)
  }

  /** Tells the consumer, and blocks until the snapshot is taken, because the process may end. */
  #dying(cause: SnapshotCause): void {
    tellDying(this.#cpu.control, cause)
  }
}

/** The heap in use of the calling thread, as a share of its limit. */
function heapUse(): number {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
  return used / limit
}

/** The name of a thread of the recording, also of one whose place is free again by now. */
function nameOf({ arena }: Cpu, threadId: number): string | undefined {
  if (arena === undefined) return undefined
  for (let cpu = 0; cpu < arena.possibleCpus; cpu += 1) {
    if (Atomics.load(arena.words, arena.placeWord(cpu, PLACE.threadId)) === threadId)
      return arena.threadName(cpu)
  }
  return undefined
}
