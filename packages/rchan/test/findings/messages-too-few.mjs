/** Messages wait for too few workers while CPUs are idle. */
import { once } from 'node:events'
import { crewOf, end } from './crew.mjs'
import { cpus, pick } from './pool.mjs'

const { threads, name } = pick({
  strong: { threads: 1, name: 'sleep' },
  weak: { threads: Math.max(1, Math.floor(cpus / 2)), name: 'spin' },
  healthy: { threads: cpus, name: 'spin' },
})
const workers = crewOf(threads)
// Each says that it is there: the wait for its start is another thing.
for (const worker of workers) worker.postMessage({ name: 'sleep', value: 0 })
await Promise.all(workers.map((worker) => once(worker, 'message')))
await Promise.all(
  workers.map(async (worker) => {
    for (let count = 0; count < 50; count += 1) worker.postMessage({ name, value: 15 })
    for (let count = 0; count < 50; count += 1) await once(worker, 'message')
  }),
)
await end(workers)
