/** What programs without a pool share: bare workers, and how they are given work. */
import { Worker } from 'node:worker_threads'

export function crewOf(count, file = './crew-worker.mjs', options = {}) {
  return Array.from({ length: count }, () => new Worker(new URL(file, import.meta.url), options))
}

/** Gives a worker a piece of work, and waits for its answer. One at a time. */
export function ask(worker, name, value) {
  return new Promise((resolve) => {
    worker.once('message', resolve)
    worker.postMessage({ name, value })
  })
}

export async function end(workers) {
  await Promise.all(workers.map((worker) => worker.terminate()))
}
