// An event loop that stands still for 300 ms, at each stage of a task's way. The task in question
// is the last one. Arguments: the stage.
import { Piscina } from 'piscina'

const [, , stage] = process.argv
const MS = 300
const [REPLIED, BEGUN, GO] = [0, 1, 2]
const flags = new Int32Array(new SharedArrayBuffer(12))
const pool = new Piscina({
  filename: new URL('./stalls-task.mjs', import.meta.url).href,
  minThreads: 1,
  maxThreads: 1,
  concurrentTasksPerWorker: stage === 'dispatched' ? 2 : 1,
  atomics: 'disabled',
})
/** Until the worker has replied, and for 300 ms more. */
function stand() {
  while (Atomics.load(flags, REPLIED) === 0);
  const end = performance.now() + MS
  while (performance.now() < end);
}
const stages = {
  // The worker is free again, and nobody gives it the task that is queued.
  async queued() {
    const tasks = [pool.run({ flags }), pool.run({})]
    stand()
    await Promise.all(tasks)
  },
  // The worker has other work in its event loop.
  async dispatched() {
    const first = pool.run({ flags, standMs: MS, waits: true })
    while (Atomics.load(flags, BEGUN) === 0);
    const second = pool.run({})
    Atomics.store(flags, GO, 1)
    await Promise.all([first, second])
  },
  // The worker itself.
  async running() {
    await pool.run({ standMs: MS })
  },
  // The result is there, and nobody takes it.
  async replied() {
    const task = pool.run({ flags })
    stand()
    await task
  },
}
await pool.run({})
await stages[stage]()
await pool.destroy()
