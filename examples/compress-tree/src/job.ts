/**
 * The job: hands the files to a piscina pool, in phases that make the pool grow and shrink.
 *
 * Runs on the main thread and owns the pool. One file after the other keeps the pool at its
 * minimum. A flood makes it grow to its maximum. In the pause the idle threads end. The second
 * flood starts new threads. Most of them end while the last files come one after the other.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Piscina } from 'piscina'
import type { InputFile } from './selection.js'
import * as trace from './tracepoints.js'
import type { CompressOrder, CompressResult } from './worker.js'

/** Options of the job. */
export interface JobOptions {
  /** Quality for brotli, 0 to 11. */
  readonly quality: number
  readonly maxThreads: number
  /** Called at the start of each phase. */
  onPhase?(name: string, files: number): void
}

/** Progress of the job. All numbers may be slightly stale. */
export interface Progress {
  readonly phase: string
  readonly done: number
  readonly bytesIn: number
  readonly threads: number
  readonly waiting: number
}

/** A file that was not compressed. */
export interface Failure {
  readonly path: string
  readonly why: string
}

/** The result of the job. */
export interface JobOutcome {
  /** Number of files that were compressed. */
  readonly files: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly failures: readonly Failure[]
  /** sha256 over all paths and their hashes, in order. The same files give the same value. */
  readonly sha256: string
}

const MIN_THREADS = 1
/** The pool ends a thread that was idle for this long, unless it is the last. */
const IDLE_TIMEOUT_MS = 400
/** Number of tasks that a flood submits at once. The next follow when the queue is empty. */
const BURST_TASKS = 48
/**
 * Share of the files that come one after the other at the start, and again at the end; and its
 * maximum.
 */
const TRICKLE_SHARE = 1 / 20
const TRICKLE_MAX_FILES = 60
const TRICKLE_GAP_MS = 15
/** How long the pause lasts once the pool is small. */
const PAUSE_MS = 800
/** The pause ends after this time even if threads don't. */
const SHRINK_DEADLINE_MS = 5000
const POLL_MS = 20

/** The job on some files. Call `run` once. */
export class Job {
  private readonly files: readonly InputFile[]
  private readonly options: JobOptions
  private readonly pool: Piscina<CompressOrder, CompressResult>
  private readonly results: (CompressResult | undefined)[]
  private phase = 'start'
  private done = 0
  private bytesIn = 0
  private bytesOut = 0
  private inPhase: ReturnType<typeof trace.phase.begin<{ name: string; files: number }>> | undefined

  constructor(files: readonly InputFile[], options: JobOptions) {
    this.files = files
    this.options = options
    this.results = Array.from({ length: files.length })
    this.pool = new Piscina<CompressOrder, CompressResult>({
      filename: new URL('./worker.js', import.meta.url).href,
      minThreads: MIN_THREADS,
      maxThreads: options.maxThreads,
      idleTimeout: IDLE_TIMEOUT_MS,
      // Without this, a task that finds no free thread goes to the end of the queue, behind later
      // tasks.
      stricterFIFO: true,
    })
  }

  get progress(): Progress {
    return {
      phase: this.phase,
      done: this.done,
      bytesIn: this.bytesIn,
      threads: this.pool.threads.length,
      waiting: this.pool.queueSize,
    }
  }

  /** Does the job and closes the pool. A file that can't be compressed doesn't end it. */
  async run(): Promise<JobOutcome> {
    const total = this.files.length
    const trickle = Math.min(TRICKLE_MAX_FILES, Math.ceil(total * TRICKLE_SHARE))
    const middle = Math.max(trickle, Math.ceil(total / 2))
    const last = Math.max(middle, total - trickle)
    try {
      this.enter('trickle', trickle)
      await this.trickle(0, trickle)
      this.enter('flood', middle - trickle)
      await this.flood(trickle, middle)
      this.enter('pause', 0)
      await this.pause()
      this.enter('flood', last - middle)
      await this.flood(middle, last)
      this.enter('trickle', total - last)
      await this.trickle(last, total)
    } finally {
      this.leave()
      await this.pool.close()
    }
    return this.outcome()
  }

  private enter(name: string, files: number): void {
    this.leave()
    this.phase = name
    this.inPhase = trace.phase.begin({ name, files })
    this.options.onPhase?.(name, files)
  }

  private leave(): void {
    if (this.inPhase !== undefined) trace.phase.end(this.inPhase)
    this.inPhase = undefined
  }

  /** Submits one file after the other. */
  private async trickle(from: number, to: number): Promise<void> {
    for (let task = from; task < to; task += 1) {
      await this.submit(task)
      await sleep(TRICKLE_GAP_MS)
    }
  }

  /** Submits a burst of files, and the next burst when no file of the last one waits any more. */
  private flood(from: number, to: number): Promise<void> {
    return new Promise((resolve) => {
      let next = from
      let running = 0
      const more = (): void => {
        if (next < to && this.pool.queueSize === 0) {
          const burstEnd = Math.min(next + BURST_TASKS, to)
          for (; next < burstEnd; next += 1) {
            running += 1
            void this.submit(next).then(() => {
              running -= 1
              more()
            })
          }
        } else if (next === to && running === 0) {
          resolve()
        }
      }
      more()
    })
  }

  /** Submits nothing until the pool is at its minimum, and a while longer. */
  private async pause(): Promise<void> {
    const deadline = performance.now() + SHRINK_DEADLINE_MS
    while (this.pool.threads.length > MIN_THREADS && performance.now() < deadline) await sleep(POLL_MS)
    await sleep(PAUSE_MS)
  }

  /** Hands one file to the pool. Resolves when the file is done, compressed or not. */
  private async submit(task: number): Promise<void> {
    const { path, file } = this.files[task]
    let result: CompressResult
    try {
      result = await this.pool.run({ path, file, quality: this.options.quality })
    } catch (error) {
      result = { bytesIn: 0, bytesOut: 0, sha256: '', error: (error as Error).message }
    }
    this.results[task] = result
    this.done += 1
    this.bytesIn += result.bytesIn
    this.bytesOut += result.bytesOut
    trace.progress({ in: this.bytesIn, out: this.bytesOut })
  }

  private outcome(): JobOutcome {
    const hash = createHash('sha256')
    const failures: Failure[] = []
    let bytesOut = 0
    for (const [task, result] of this.results.entries()) {
      const { path } = this.files[task]
      if (result?.error !== undefined) {
        failures.push({ path, why: result.error })
      } else if (result !== undefined) {
        bytesOut += result.bytesOut
        hash.update(`${result.sha256}  ${path}\n`)
      }
    }
    return {
      files: this.files.length - failures.length,
      bytesIn: this.bytesIn,
      bytesOut,
      failures,
      sha256: hash.digest('hex'),
    }
  }
}
