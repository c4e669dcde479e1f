/** Long tasks stand in front of short ones; or behind them, which is well. */
import { batch, cpus, pick, poolOf, variant } from './pool.mjs'

const pool = poolOf(cpus)
await batch(pool, 2 * cpus, 'spin', 2)
const long = pick({ strong: 500, weak: 200, healthy: 200 })
const longOnes = () => batch(pool, cpus, 'spin', long)
const shortOnes = () => batch(pool, 50 * cpus, 'spin', 2)
await Promise.all(variant === 'healthy' ? [shortOnes(), longOnes()] : [longOnes(), shortOnes()])
await pool.destroy()
