/**
 * Runs a suite: all its tasks in turn, many short rounds, so that each task is compared with its
 * floor in the same round, whatever the machine did meanwhile. Owns the statistics and the form of
 * a result.
 */
import { Bench } from 'tinybench'

/** One thing that is measured. */
export interface BenchTask {
  readonly name: string
  /** The task that says how fast it can be at best; its own name for a floor. */
  readonly floor: string
  /** Operations in one call of `run`. */
  readonly operations: number
  run(): void
  /** Whether it has a result of its own; else it is only there as a floor. */
  readonly listed?: boolean
}

/** Tasks that belong together, and what has to be there while they run. */
export interface Suite {
  readonly name: string
  /** What the figures mean, in a line or two. */
  readonly about: string
  readonly setUp: () => Promise<{
    readonly tasks: readonly BenchTask[]
    readonly tearDown: () => Promise<void>
  }>
}

/** What came of one task. Times are for one operation. */
export interface BenchResult {
  readonly suite: string
  readonly name: string
  readonly median: number
  readonly p5: number
  readonly p95: number
  readonly unit: 'ns'
  /** Median of the floor's time, and which task it is. */
  readonly floor: number
  readonly floorName: string
  /**
   * Median over the rounds of the time divided by the floor's of the same round, and its spread.
   */
  readonly ratio: number
  readonly ratioP5: number
  readonly ratioP95: number
  /** Median over the rounds of the time less the floor's. */
  readonly difference: number
}

const ROUNDS = 60
const WARM_UP_ROUNDS = 5
/** Calls of a task in a round; their median is the round's figure. */
const CALLS = 7

/** Measures a suite. */
export async function measure(suite: Suite, rounds = ROUNDS): Promise<BenchResult[]> {
  const { tasks, tearDown } = await suite.setUp()
  const perRound = new Map(tasks.map(({ name }) => [name, [] as number[]]))
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const bench = new Bench({ time: 0, iterations: CALLS, warmup: false })
    for (const task of tasks) bench.add(task.name, () => task.run())
    await bench.run()
    for (const task of tasks) {
      const result = bench.getTask(task.name)?.result
      if (result?.state !== 'completed') throw new Error(`${suite.name}/${task.name} did not complete`)
      const ns = (result.latency.p50 * 1e6) / task.operations
      if (round >= 0) perRound.get(task.name)?.push(ns)
    }
  }
  await tearDown()
  return tasks
    .filter(({ listed = true }) => listed)
    .map((task) => {
      const times = perRound.get(task.name) as number[]
      const floors = perRound.get(task.floor)
      if (floors === undefined) throw new Error(`${suite.name}/${task.name}: no floor ${task.floor}`)
      const ratios = times.map((time, round) => time / floors[round])
      const differences = times.map((time, round) => time - floors[round])
      return {
        suite: suite.name,
        name: task.name,
        median: quantile(times, 0.5),
        p5: quantile(times, 0.05),
        p95: quantile(times, 0.95),
        unit: 'ns',
        floor: quantile(floors, 0.5),
        floorName: task.floor,
        ratio: quantile(ratios, 0.5),
        ratioP5: quantile(ratios, 0.05),
        ratioP95: quantile(ratios, 0.95),
        difference: quantile(differences, 0.5),
      }
    })
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.round((sorted.length - 1) * q))]
}
