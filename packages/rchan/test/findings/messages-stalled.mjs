/** The main thread computes while messages of workers wait for it. */
import { setTimeout as later } from 'node:timers/promises'
import { ask, crewOf, end } from './crew.mjs'
import { pick } from './pool.mjs'
import { spin } from './work.mjs'

const stall = pick({ strong: 300, weak: 120, healthy: 15 })
const workers = crewOf(2)
const streams = workers.map(async (worker) => {
  for (let count = 0; count < 80; count += 1) await ask(worker, 'sleep', 8)
})
for (let count = 0; count < 5; count += 1) {
  await later(100)
  spin(stall)
}
await Promise.all(streams)
await end(workers)
