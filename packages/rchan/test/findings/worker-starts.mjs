/** The pool lets its workers go and starts them again. */
import { setTimeout as later } from 'node:timers/promises'
import { pick, poolOf, stream } from './pool.mjs'

const { rounds, idleTimeout } = pick({
  strong: { rounds: 10, idleTimeout: 0 },
  weak: { rounds: 5, idleTimeout: 0 },
  healthy: { rounds: 10, idleTimeout: 10_000 },
})
const pool = poolOf(1, { minThreads: 0, idleTimeout })
for (let round = 0; round < rounds; round += 1) {
  await stream(pool, 4, 1, 'spin', 8)
  await later(50)
}
await pool.destroy()
