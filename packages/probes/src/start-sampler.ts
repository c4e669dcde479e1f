/**
 * Starts the sampler, a thread of its own that looks at the other threads of the process while they
 * are busy (`sampler.ts`). It does not keep the process alive.
 */
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { SAMPLER, type SamplerData } from './sampler-data.js'

/** Starts it. @returns a function that ends it. */
export function startSampler(data: SamplerData): () => void {
  const worker = new Worker(fileURLToPath(new URL('./sampler.js', import.meta.url)), {
    name: SAMPLER,
    workerData: data,
    // Without the preload of the program.
    env: {},
    execArgv: [],
    trackUnmanagedFds: false,
  })
  worker.unref()
  // Without it the trace has no samples. That must not end the program.
  worker.on('error', () => undefined)
  return () => void worker.terminate()
}
