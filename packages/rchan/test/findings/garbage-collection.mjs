/** Tasks make much garbage; or little. */
import { pick, poolOf, stream } from './pool.mjs'

const value = pick({
  strong: { ms: 30, kept: 60_000 },
  weak: { ms: 30, kept: 5000 },
  healthy: { ms: 30, kept: 10, part: 0.7 },
})
const pool = poolOf(1)
await stream(pool, 30, 1, 'garbage', value)
await pool.destroy()
