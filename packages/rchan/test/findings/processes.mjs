/** Several processes compute, and each has a pool as large as if it were alone. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { batch, cpus, pick, poolOf, variant } from './pool.mjs'

if (process.send === undefined) {
  const count = pick({ strong: 4, weak: 2, healthy: 2 })
  const children = Array.from({ length: count }, () => fork(fileURLToPath(import.meta.url), [variant]))
  await Promise.all(children.map((child) => once(child, 'exit')))
} else {
  const threads = variant === 'healthy' ? Math.max(1, Math.floor(cpus / 2)) : cpus
  const pool = poolOf(threads)
  await batch(pool, 40 * threads, 'spin', 15)
  await pool.destroy()
  process.disconnect()
}
