/**
 * A program with a pool of two workers, which knows nothing of rchan. It prints what its tasks
 * took. Arguments: how many tasks; how many iterations each.
 */
import { Piscina } from 'piscina'

/** In milliseconds. */
export interface Figures {
  /** CPU time from the start of the process until each worker has had a task. */
  readonly start: number
  /** CPU time of all tasks right after it. */
  readonly early: number
  /** CPU time of all tasks later. */
  readonly cpu: number
  /** How long those took. */
  readonly wall: number
}

/** Tasks before those that are measured: empty ones, and such as they are. */
const WARM_UP = 30_000
const SETTLE = 1000
/** Tasks that are submitted at once. */
const AT_ONCE = 64

const [tasks, iterations] = process.argv.slice(2).map(Number)
const pool = new Piscina({
  filename: new URL('task.js', import.meta.url).href,
  minThreads: 2,
  maxThreads: 2,
})

async function run(count: number, each: number): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE) {
    const batch = Math.min(AT_ONCE, count - done)
    await Promise.all(Array.from({ length: batch }, () => pool.run(each) as Promise<unknown>))
  }
}

function cpuMs(before?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

await run(2, iterations)
const start = cpuMs()
await run(tasks, iterations)
const early = cpuMs() - start
await run(WARM_UP, 1)
await run(SETTLE, iterations)
const before = process.cpuUsage()
const from = performance.now()
await run(tasks, iterations)
const wall = performance.now() - from
const figures: Figures = { start, early, cpu: cpuMs(before), wall }
console.log(JSON.stringify(figures))
await pool.destroy()
