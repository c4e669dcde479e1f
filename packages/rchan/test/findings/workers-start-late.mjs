/** The file of the workers takes long to load, and tasks wait for that. */
import { batch, cpus, pick, poolOf } from './pool.mjs'

process.env.LOADS_MS = pick({ strong: '1200', weak: '500', healthy: '20' })
const pool = poolOf(cpus, { filename: new URL('./late-work.mjs', import.meta.url).href })
await batch(pool, 20 * cpus, 'spin', 5)
await pool.destroy()
