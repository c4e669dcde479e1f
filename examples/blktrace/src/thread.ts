/** The main thread's side of a CPU: its thread, its counts, and its result. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { CpuTask } from './cpu.js'
import type { Ledger } from './workload.js'

/** A word that threads share. */
export function sharedWord(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4))
}

/** A CPU that is running or has ended. */
export class CpuThread {
  readonly cpu: number
  readonly #worker: Worker
  readonly #written = sharedWord()
  readonly #refused = sharedWord()
  #ledger: Ledger | undefined
  #error: unknown
  #isRunning = true

  /** Starts it. */
  constructor(task: Omit<CpuTask, 'written' | 'refused'>) {
    this.cpu = task.cpu
    const workerData: CpuTask = { ...task, written: this.#written, refused: this.#refused }
    this.#worker = new Worker(new URL('cpu.js', import.meta.url), { workerData })
    this.#worker.on('message', (ledger: Ledger) => (this.#ledger = ledger))
    this.#worker.on('error', (error) => (this.#error = error))
    this.#worker.on('exit', () => (this.#isRunning = false))
  }

  /** Whether the thread is still running. @throws the error that ended it. */
  get isRunning(): boolean {
    if (this.#error !== undefined) throw this.#error
    return this.#isRunning
  }
  /** Records that the channel accepted. If the thread was terminated, perhaps one too few. */
  get written(): number {
    return Atomics.load(this.#written, 0)
  }
  /** Records that it refused. */
  get refused(): number {
    return Atomics.load(this.#refused, 0)
  }
  /** The fate of its records; undefined until the thread has ended by itself. */
  get ledger(): Ledger | undefined {
    return this.#ledger
  }

  /** Terminates the thread wherever it is. Resolves when it has ended. */
  async terminate(): Promise<void> {
    if (!this.#isRunning) return
    const exited = once(this.#worker, 'exit')
    void this.#worker.terminate()
    await exited
  }
}
