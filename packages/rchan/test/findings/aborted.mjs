/** Tasks are aborted while they run, which ends their worker; or before they do. */
import { cpus, pick, poolOf, variant } from './pool.mjs'

const aborted = pick({ strong: 8, weak: 4, healthy: 8 })
// With fewer threads than CPUs, its other tasks would have too few.
const threads = pick({ strong: 1, weak: 1, healthy: cpus })
const pool = poolOf(threads)
const run = (ms, signal) => pool.run(ms, { name: 'sleep', signal }).catch(() => undefined)
for (let round = 0; round < 8; round += 1) {
  const first = Promise.all(Array.from({ length: threads }, () => run(15)))
  const aborter = new AbortController()
  const second = round < aborted ? run(variant === 'healthy' ? 15 : 5000, aborter.signal) : run(15)
  if (variant === 'healthy') aborter.abort()
  await first
  setTimeout(() => aborter.abort(), 30)
  await second
  await Promise.all(Array.from({ length: cpus }, () => run(15)))
}
await pool.destroy()
