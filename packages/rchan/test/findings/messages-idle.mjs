/** Workers without a pool: one after the other gets work, or one gets all. */
import { ask, crewOf, end } from './crew.mjs'
import { pick } from './pool.mjs'

const { count, used } = pick({
  strong: { count: 4, used: 1 },
  weak: { count: 3, used: 2 },
  healthy: { count: 2, used: 2 },
})
const workers = crewOf(count)
await Promise.all(
  workers.slice(0, used).map(async (worker) => {
    for (let piece = 0; piece < 60; piece += 1) await ask(worker, 'sleep', 10)
  }),
)
await end(workers)
