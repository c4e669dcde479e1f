/** Results are large, and tasks short. */
import { pick, poolOf, stream } from './pool.mjs'

const value = pick({
  strong: { length: 60_000, ms: 1 },
  weak: { length: 8000, ms: 0.5 },
  healthy: { length: 1000, ms: 10 },
})
const pool = poolOf(1)
await stream(pool, 80, 1, 'large', value)
await pool.destroy()
