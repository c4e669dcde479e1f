/** Each piece of work has a worker of its own; or few workers have all. */
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { pick } from './pool.mjs'

const file = new URL('./one-piece.mjs', import.meta.url)
const { workers, ms } = pick({
  strong: { workers: 16, ms: 5 },
  weak: { workers: 8, ms: 60 },
  healthy: { workers: 2, ms: 400 },
})
for (let count = 0; count < workers; count += 1) await once(new Worker(file, { workerData: ms }), 'exit')
