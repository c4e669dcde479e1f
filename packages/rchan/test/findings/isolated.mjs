/** Each task has a worker of its own. */
import { Tinypool } from 'tinypool2'
import { cpus, pick } from './pool.mjs'

const { tasks, isolateWorkers, threads } = pick({
  strong: { tasks: 24, isolateWorkers: true, threads: 1 },
  weak: { tasks: 12, isolateWorkers: true, threads: 1 },
  healthy: { tasks: 24, isolateWorkers: false, threads: cpus },
})
const filename = new URL('./work.mjs', import.meta.url).href
const pool = new Tinypool({
  filename,
  name: 'spin',
  minThreads: threads,
  maxThreads: threads,
  isolateWorkers,
})
await Promise.all(Array.from({ length: tasks }, () => pool.run(15)))
await pool.destroy()
