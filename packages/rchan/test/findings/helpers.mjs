/** What tasks wait for computes in threads without JavaScript; or these have all CPUs. */
import { cpus, pick, poolOf } from './pool.mjs'

const { tasks, atOnce } = pick({
  strong: { tasks: 30, atOnce: 1 },
  weak: { tasks: 30, atOnce: Math.max(1, Math.floor(cpus / 2)) },
  healthy: { tasks: 60, atOnce: 2 * cpus },
})
const pool = poolOf(1, { concurrentTasksPerWorker: atOnce })
await Promise.all(Array.from({ length: tasks }, () => pool.run(30_000, { name: 'derive' })))
await pool.destroy()
