/** Tasks are queued while CPUs are idle. */
import { batch, cpus, pick, poolOf } from './pool.mjs'

const { threads, name } = pick({
  strong: { threads: 1, name: 'sleep' },
  weak: { threads: Math.max(1, Math.floor(cpus / 2)), name: 'spin' },
  healthy: { threads: cpus, name: 'spin' },
})
const pool = poolOf(threads)
await batch(pool, 50 * threads, name, 15)
await pool.destroy()
