/** One task is much longer than the others together. */
import { batch, pick, poolOf } from './pool.mjs'

const { long, short } = pick({
  strong: { long: 800, short: 5 },
  weak: { long: 450, short: 5 },
  healthy: { long: 15, short: 15 },
})
const pool = poolOf(2)
await batch(pool, 2, 'spin', 1)
await Promise.all([batch(pool, 1, 'spin', long), batch(pool, 20, 'spin', short)])
await pool.destroy()
