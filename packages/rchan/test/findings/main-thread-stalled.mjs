/** The main thread computes while results wait for it. */
import { setTimeout as later } from 'node:timers/promises'
import { pick, poolOf, stream } from './pool.mjs'
import { spin } from './work.mjs'

const stall = pick({ strong: 300, weak: 120, healthy: 15 })
const pool = poolOf(2)
const tasks = stream(pool, 200, 2, 'sleep', 8)
for (let count = 0; count < 5; count += 1) {
  await later(100)
  spin(stall)
}
await tasks
await pool.destroy()
