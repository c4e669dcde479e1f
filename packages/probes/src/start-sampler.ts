/**
 * Starts the sampler, a thread of its own that looks at the other threads of the process while they
 * are busy (`sampler.ts`). It does not keep the process alive.
 */
import { fileURLToPath } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import { SAMPLER, type SamplerData } from './sampler-data.js'

/** What its thread is made of. */
export function samplerThread(workerData: SamplerData): { file: string; options: WorkerOptions } {
  return {
    file: fileURLToPath(new URL('./sampler.js', import.meta.url)),
    // Without the preload of the program.
    options: { name: SAMPLER, workerData, env: {}, execArgv: [], trackUnmanagedFds: false },
  }
}

/** Starts it. @returns a function that ends it. */
export function startSampler(data: SamplerData): () => void {
  const { file, options } = samplerThread(data)
  const worker = new Worker(file, options)
  worker.unref()
  // Without it the trace has no samples. That must not end the program.
  worker.on('error', () => undefined)
  return () => void worker.terminate()
}
