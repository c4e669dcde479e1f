/** The workers of a pool wait at top level, and never get ready; or they take a while. */
import { setTimeout as later } from 'node:timers/promises'
import { batch, pick, poolOf, variant } from './pool.mjs'

const { file, threads } = pick({
  strong: { file: './waits-at-top.mjs', threads: 2 },
  weak: { file: './waits-at-top.mjs', threads: 1 },
  healthy: { file: './comes-late.mjs', threads: 1 },
})
const pool = poolOf(threads, { filename: new URL(file, import.meta.url).href })
const tasks = batch(pool, 20, 'spin', 5).catch(() => undefined)
if (variant === 'healthy') await tasks
else await later(1500)
await pool.destroy()
