/** Tasks take less time than their dispatch. */
import { pick, poolOf, stream } from './pool.mjs'

const { ms, count } = pick({
  strong: { ms: 0, count: 5000 },
  weak: { ms: 0.03, count: 5000 },
  healthy: { ms: 3, count: 400 },
})
const pool = poolOf(2)
await stream(pool, count, 4, 'spin', ms)
await pool.destroy()
