/** A worker without a pool gets large messages, and does little with them. */
import { ask, crewOf, end } from './crew.mjs'
import { pick } from './pool.mjs'

const { length, ms } = pick({
  strong: { length: 60_000, ms: 1 },
  weak: { length: 8000, ms: 0.5 },
  healthy: { length: 1000, ms: 10 },
})
const list = Array.from({ length }, (_, index) => ({ index, name: `item ${index}` }))
const workers = crewOf(1)
for (let count = 0; count < 60; count += 1) await ask(workers[0], 'measure', { list, ms })
await end(workers)
