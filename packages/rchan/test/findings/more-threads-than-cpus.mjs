/** More threads than CPUs compute at once. */
import { batch, cpus, pick, poolOf } from './pool.mjs'

const threads = pick({ strong: 4 * cpus, weak: 2 * cpus, healthy: cpus })
const pool = poolOf(threads)
await batch(pool, 50 * cpus, 'spin', 20)
await pool.destroy()
