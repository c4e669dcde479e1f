/** Each task has a worker of its own. */
import { Tinypool } from 'tinypool2'
import { pick } from './pool.mjs'

const { tasks, isolateWorkers } = pick({
  strong: { tasks: 24, isolateWorkers: true },
  weak: { tasks: 12, isolateWorkers: true },
  healthy: { tasks: 24, isolateWorkers: false },
})
const filename = new URL('./work.mjs', import.meta.url).href
const pool = new Tinypool({ filename, name: 'spin', minThreads: 1, maxThreads: 1, isolateWorkers })
await Promise.all(Array.from({ length: tasks }, () => pool.run(15)))
await pool.destroy()
