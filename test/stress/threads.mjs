/**
 * The threads of a round: how they are started, waited for, and ended. For tests, on the main
 * thread.
 */
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

/** A thread that takes longer for a request is stuck. */
const STUCK_MS = 30_000

/** Fails if a wait takes too long: then a thread is stuck. */
export async function inTime(promise, what) {
  const late = new AbortController()
  try {
    return await Promise.race([
      promise,
      setTimeout(STUCK_MS, undefined, { signal: late.signal }).then(() => {
        throw new Error(`stuck: ${what}`)
      }),
    ])
  } finally {
    late.abort()
  }
}

/** Waits until something holds. */
export async function until(holds, what) {
  const giveUpAtMs = performance.now() + STUCK_MS
  while (!holds()) {
    if (performance.now() > giveUpAtMs) throw new Error(`stuck: ${what}`)
    await setTimeout(1)
  }
}

export class Threads {
  #base
  #threads = new Set()

  /** @param base the URL to which the names of files are relative. */
  constructor(base) {
    this.#base = base
  }

  /** @returns the thread, and a promise of its end, which fails as it does. */
  start(file, workerData) {
    const thread = new Worker(new URL(file, this.#base), { workerData })
    this.#threads.add(thread)
    const ended = new Promise((resolve, reject) => {
      thread.once('error', reject)
      thread.once('exit', resolve)
    }).finally(() => this.#threads.delete(thread))
    // A thread that waits for it gets the error, too.
    ended.catch(() => undefined)
    return { thread, ended }
  }

  async endAll() {
    await Promise.all([...this.#threads].map((thread) => thread.terminate()))
  }
}
