/** Workers without a pool get the same number of pieces, and one of them gets the long ones. */
import { ask, crewOf, end } from './crew.mjs'
import { pick } from './pool.mjs'

const { long, short } = pick({
  strong: { long: 40, short: 2 },
  weak: { long: 25, short: 5 },
  healthy: { long: 14, short: 12 },
})
const workers = crewOf(2)
await Promise.all(
  workers.map(async (worker, index) => {
    for (let piece = 0; piece < 30; piece += 1) await ask(worker, 'sleep', index === 0 ? long : short)
  }),
)
await end(workers)
