/** Workers without a pool make much garbage; or little. */
import { ask, crewOf, end } from './crew.mjs'
import { pick } from './pool.mjs'

const value = pick({
  strong: { ms: 30, kept: 150_000 },
  weak: { ms: 30, kept: 8000 },
  healthy: { ms: 30, kept: 10 },
})
const workers = crewOf(1)
for (let count = 0; count < 30; count += 1) await ask(workers[0], 'garbage', value)
await end(workers)
