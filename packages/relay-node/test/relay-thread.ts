/** Starts and ends the threads of relay-thread.mjs, and remembers their errors. */
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

const DEADLINE_MS = 30_000
const SOURCE = new URL('relay-thread.mjs', import.meta.url)

export class RelayThread {
  static readonly #running = new Set<RelayThread>()
  readonly words = new Int32Array(new SharedArrayBuffer(24))
  readonly worker: Worker
  /** The errors that it threw. */
  error: unknown
  readonly #exited: Promise<void>

  constructor(role: string, data: object) {
    this.worker = new Worker(SOURCE, { workerData: { role, words: this.words, ...data } })
    this.#exited = new Promise((resolve) => this.worker.once('exit', () => resolve()))
    this.worker.on('error', (error) => {
      this.error = error
    })
    RelayThread.#running.add(this)
  }

  /** For afterEach. */
  static async terminateAll(): Promise<void> {
    await Promise.all([...RelayThread.#running].map((thread) => thread.terminate()))
  }

  get isReady(): boolean {
    return Atomics.load(this.words, 0) === 1
  }
  get isDone(): boolean {
    this.mustBeWell()
    return Atomics.load(this.words, 2) === 1
  }
  get count(): number {
    return Atomics.load(this.words, 3)
  }

  /** Lets a writer begin. */
  go(): void {
    Atomics.store(this.words, 5, 1)
    Atomics.notify(this.words, 5)
  }

  /** Whether its last record was written. */
  get hasWritten(): boolean {
    return Atomics.load(this.words, 4) === 1
  }

  /** Has a sleeping owner write one more record, and waits for that. */
  async writeOne(): Promise<void> {
    const before = this.count
    this.go()
    await until('one more record', () => this.count > before, [this])
  }

  mustBeWell(): void {
    if (this.error !== undefined) throw new Error(`a thread failed`, { cause: this.error })
  }

  async ready(): Promise<void> {
    await until('the thread has begun', () => this.isReady, [this])
  }

  /** Asks it to end, and waits for that. */
  async stop(): Promise<void> {
    Atomics.store(this.words, 1, 1)
    Atomics.notify(this.words, 1)
    await this.exited()
  }

  async exited(): Promise<void> {
    await this.#exited
    RelayThread.#running.delete(this)
    this.mustBeWell()
  }

  async terminate(): Promise<void> {
    void this.worker.terminate()
    await this.#exited
    RelayThread.#running.delete(this)
  }
}

/**
 * Lets the event loop go on until something is so. @throws Error when it does not become so, or a
 * thread failed.
 */
export async function until(
  what: string,
  isSo: () => boolean,
  threads: readonly RelayThread[] = [],
): Promise<void> {
  const giveUpAtMs = performance.now() + DEADLINE_MS
  while (!isSo()) {
    for (const thread of threads) thread.mustBeWell()
    if (performance.now() > giveUpAtMs) throw new Error(`in vain: ${what}`)
    await setImmediate()
  }
}

/** Blocks the calling thread. */
export function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Numbers from 0 to 1, the same ones for a seed. */
export function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
