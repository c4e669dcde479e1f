/** Starts threads of ringer.mjs and lets them all go at once. For tests. */
import { DOORBELL_WORDS } from '@rchan/sync'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export const DEADLINE_MS = 30_000

/** Zeroed words of shared memory. */
export function sharedWords(count: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(count * 4))
}

export class Threads {
  readonly words = sharedWords(1)
  readonly bellWords = sharedWords(DOORBELL_WORDS)
  readonly #ready = sharedWords(1)
  readonly #go = sharedWords(1)
  readonly #workers: Worker[] = []

  /** Starts a thread. @returns a promise of its report at its end. */
  start(role: 'ring' | 'sleep' | 'raise' | 'wait', options: object = {}): Promise<unknown[]> {
    const { words, bellWords } = this
    const worker = new Worker(new URL('ringer.mjs', import.meta.url), {
      workerData: { role, words, bellWords, ready: this.#ready, go: this.#go, ...options },
    })
    this.#workers.push(worker)
    const told: unknown[] = []
    worker.on('message', (message) => told.push(message))
    return once(worker, 'exit').then(() => told)
  }

  /** Lets all go, once they are there. */
  async go(): Promise<void> {
    const giveUpAtMs = performance.now() + DEADLINE_MS
    while (Atomics.load(this.#ready, 0) < this.#workers.length) {
      if (performance.now() > giveUpAtMs) throw new Error('a thread did not start')
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    Atomics.store(this.#go, 0, 1)
    Atomics.notify(this.#go, 0)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
