/** A worker keeps nearly as much as its heap may have. */
import { pick, poolOf, stream } from './pool.mjs'

// Megabytes that each of ten tasks keeps, of 200.
const megabytes = pick({ strong: 18, weak: 16, healthy: 5 })
const pool = poolOf(1, { resourceLimits: { maxOldGenerationSizeMb: 200 }, atomics: 'disabled' })
await stream(pool, 10, 1, 'keep', megabytes)
await new Promise((resolve) => setTimeout(resolve, 1100))
await pool.destroy()
