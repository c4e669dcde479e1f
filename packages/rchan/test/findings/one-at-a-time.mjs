/** Each task is submitted when the one before has ended; or there is little to do. */
import { setTimeout as later } from 'node:timers/promises'
import { pick, poolOf } from './pool.mjs'
import { spin } from './work.mjs'

const { count, ms, between, pause } = pick({
  strong: { count: 80, ms: 10, between: 0, pause: 0 },
  weak: { count: 80, ms: 8, between: 1, pause: 0 },
  healthy: { count: 50, ms: 10, between: 0, pause: 15 },
})
const pool = poolOf(2, { minThreads: 1 })
for (let task = 0; task < count; task += 1) {
  await pool.run(ms, { name: 'spin' })
  if (between > 0) spin(between)
  if (pause > 0) await later(pause)
}
await pool.destroy()
