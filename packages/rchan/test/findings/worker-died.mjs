/** Workers die of their tasks; or tasks just throw. */
import { pick, poolOf, stream } from './pool.mjs'

const { name, count } = pick({
  strong: { name: 'die', count: 4 },
  weak: { name: 'die', count: 1 },
  healthy: { name: 'fail', count: 4 },
})
const pool = poolOf(1)
await stream(pool, 20, 1, 'spin', 8)
for (let round = 0; round < count; round += 1) await pool.run(0, { name }).catch(() => undefined)
await stream(pool, 20, 1, 'spin', 8)
await pool.destroy()
