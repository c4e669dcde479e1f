/** There are never enough tasks at once for all workers. */
import { pick, poolOf, stream } from './pool.mjs'

const { threads, atOnce } = pick({
  strong: { threads: 4, atOnce: 1 },
  weak: { threads: 3, atOnce: 2 },
  healthy: { threads: 2, atOnce: 2 },
})
const pool = poolOf(threads)
await stream(pool, 40 * atOnce, atOnce, 'sleep', 10)
await pool.destroy()
