/** Makes a worker damage memory and read it, and checks that the worker ends. For tests. */
import { expect } from 'vitest'
import { Worker } from 'node:worker_threads'

/** A case that took so long hangs: each is a few microseconds of work. */
const HANGS_MS = 20_000
/** How often it is looked at. */
const LOOK_MS = 500

/**
 * Damages each word of a subject's memory, reads it, and expects that nothing hangs or throws
 * something unclear.
 *
 * @param module URL of the module that exports the `subjects`.
 */
export async function damageEachWord(module: string, subject: string): Promise<void> {
  const seed = Math.trunc(Math.random() * 2 ** 31)
  const progress = new Int32Array(new SharedArrayBuffer(16))
  const worker = new Worker(new URL('./hostile.mjs', import.meta.url), {
    workerData: { module, subject, seed, from: 0, progress: progress.buffer },
  })
  const wrong: string[] = []
  worker.on('message', ({ text }: { text: string }) => wrong.push(text))
  worker.on('error', (error: Error) => wrong.push(`the worker failed: ${error.stack}`))
  const exit = new Promise<'ended'>((resolve) => {
    worker.on('exit', () => resolve('ended'))
  })
  const look = async (): Promise<'ended' | 'runs'> => {
    return await Promise.race([exit, new Promise<'runs'>((resolve) => setTimeout(resolve, LOOK_MS, 'runs'))])
  }
  let seen = -1
  let stoodMs = 0
  while (stoodMs < HANGS_MS && (await look()) === 'runs') {
    const now = Atomics.load(progress, 2)
    stoodMs = now === seen ? stoodMs + LOOK_MS : 0
    seen = now
  }
  if (stoodMs >= HANGS_MS) {
    wrong.push(`case ${progress[0]} hangs in its step ${progress[3]}`)
    await worker.terminate()
  }
  expect(wrong.slice(0, 5), `${subject}, seed=${seed}, ${wrong.length} wrong`).toEqual([])
  expect(progress[0]).toBe(progress[1])
  expect(progress[1]).toBeGreaterThan(500)
}
