/** The main thread takes longer to make a task than a worker takes to do it. */
import { pick, poolOf } from './pool.mjs'
import { spin } from './work.mjs'

const { making, doing } = pick({
  strong: { making: 12, doing: 3 },
  weak: { making: 8, doing: 6 },
  healthy: { making: 1, doing: 12 },
})
const pool = poolOf(2)
const tasks = []
for (let count = 0; count < 100; count += 1) {
  spin(making)
  tasks.push(pool.run(doing, { name: 'spin' }))
  // Answers are handled meanwhile.
  await new Promise(setImmediate)
}
await Promise.all(tasks)
await pool.destroy()
