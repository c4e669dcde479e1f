/** A pool as it should be. */
import { cpus, poolOf, stream, variant } from './pool.mjs'

const pool = poolOf(cpus)
const ms = variant === 'strong' ? 10 : variant === 'weak' ? 3 : 25
await stream(pool, Math.ceil((700 * cpus) / ms), cpus, 'spin', ms)
await pool.destroy()
