/**
 * Runs a suite: all its tasks in turn, in many short rounds. Each task is compared with its floor
 * in the same round, so other load on the machine matters less. Owns the statistics and the form of
 * a result.
 */
import { Bench } from 'tinybench'

/** One operation to measure. */
export interface BenchTask {
  readonly name: string
  /** The task that is its floor: the best that it could do. A floor names itself. */
  readonly floor: string
  /** Operations in one call of `run`. */
  readonly operations: number
  run(): void
  /** Whether its result is shown. Otherwise it is only a floor. */
  readonly listed?: boolean
}

/** Tasks that belong together, and the set-up that they need. */
export interface Suite {
  readonly name: string
  /** The meaning of the figures, in a line or two. */
  readonly about: string
  readonly setUp: () => Promise<{
    readonly tasks: readonly BenchTask[]
    readonly tearDown: () => Promise<void>
  }>
}

/** The result of one task. Times are for one operation. */
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
   * Median over the rounds of this task's time divided by the floor's time in the same round, and
   * its spread.
   */
  readonly ratio: number
  readonly ratioP5: number
  readonly ratioP95: number
  /** Median over the rounds of this task's time minus the floor's time. */
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
