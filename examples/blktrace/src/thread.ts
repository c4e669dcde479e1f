/** The main thread's side of a CPU: its thread, what it counts, and what has become of it. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { CpuTask } from './cpu.js'
import type { Ledger } from './workload.js'

/** A word that threads share. */
export function sharedWord(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4))
}

/** A CPU that runs, or has run. */
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

  /** Whether the thread has not ended yet. @throws what made it end. */
  get isRunning(): boolean {
    if (this.#error !== undefined) throw this.#error
    return this.#isRunning
  }
  /** Records that the channel accepted; of a thread that was terminated, perhaps one less. */
  get written(): number {
    return Atomics.load(this.#written, 0)
  }
  /** Records that it refused. */
  get refused(): number {
    return Atomics.load(this.#refused, 0)
  }
  /** What became of its records; undefined until it has ended by itself. */
  get ledger(): Ledger | undefined {
    return this.#ledger
  }

  /** Ends it wherever it is. @returns when it has ended. */
  async terminate(): Promise<void> {
    if (!this.#isRunning) return
    const exited = once(this.#worker, 'exit')
    void this.#worker.terminate()
    await exited
  }
}
