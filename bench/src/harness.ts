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
  /** Does the operations. The time of the call is measured. */
  readonly run?: () => void
  /**
   * Does the operations and measures them itself, because other threads do them or because the call
   * does more than is to be measured. @returns milliseconds.
   */
  readonly time?: () => Promise<number>
  /** Whether its result is shown. Otherwise it is only a floor. */
  readonly listed?: boolean
  /** Bytes of an operation. If given, the result is also shown as a rate. */
  readonly bytes?: number
  /** The part of the operations that was lost, from 0 to 1, in all calls so far. */
  readonly lost?: () => number
}

/**
 * What more threads gain: the rate of `many` divided by the rate of `one`. The floor is the same of
 * two other tasks.
 */
export interface Gain {
  readonly name: string
  readonly one: string
  readonly many: string
  readonly floorName: string
  readonly floorOne: string
  readonly floorMany: string
}

/** Tasks that belong together, and the set-up that they need. */
export interface Suite {
  readonly name: string
  /** The meaning of the figures, in a line or two. */
  readonly about: string
  /** Rounds, by default {@link ROUNDS}. A suite whose rounds take long has fewer. */
  readonly rounds?: number
  /** Rounds before those that count. */
  readonly warmUpRounds?: number
  /** Calls of a task in a round; their median is the round's figure. */
  readonly calls?: number
  readonly setUp: () => Promise<{
    readonly tasks: readonly BenchTask[]
    readonly gains?: readonly Gain[]
    readonly tearDown: () => Promise<void>
  }>
}

/** The result of one task. Times are for one operation; a gain is a ratio of two rates. */
export interface BenchResult {
  readonly suite: string
  readonly name: string
  readonly median: number
  readonly p5: number
  readonly p95: number
  readonly unit: 'ns' | '×'
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
  /** Operations and bytes in a second. Lost operations count. */
  readonly perSecond?: number
  readonly bytesPerSecond?: number
  /** The part of the operations that was lost, from 0 to 1. */
  readonly lost?: number
}

/** Rounds, if none are asked for. */
const ROUNDS = 60
const WARM_UP_ROUNDS = 5
const CALLS = 7

/**
 * The rounds of a suite in a run of all of them, in which one that has {@link ROUNDS} by default
 * has as many as are asked for, and the others more or fewer in proportion.
 */
export function shareOfRounds(suite: Suite, asked = ROUNDS): number {
  return Math.ceil((asked * (suite.rounds ?? ROUNDS)) / ROUNDS)
}

/** Measures a suite. */
export async function measure(suite: Suite, rounds: number): Promise<BenchResult[]> {
  const { warmUpRounds = WARM_UP_ROUNDS, calls = CALLS } = suite
  const { tasks, gains = [], tearDown } = await suite.setUp()
  const perRound = new Map(tasks.map(({ name }) => [name, [] as number[]]))
  for (let round = -Math.min(warmUpRounds, rounds); round < rounds; round += 1) {
    const bench = new Bench({ time: 0, iterations: calls, warmup: false })
    for (const task of tasks) add(bench, task)
    await bench.run()
    for (const task of tasks) {
      const result = bench.getTask(task.name)?.result
      if (result?.state === 'errored') throw result.error
      if (result?.state !== 'completed') throw new Error(`${suite.name}/${task.name} did not complete`)
      const ns = (result.latency.p50 * 1e6) / task.operations
      if (round >= 0) perRound.get(task.name)?.push(ns)
    }
  }
  await tearDown()
  const of = (name: string): number[] => {
    const found = perRound.get(name)
    if (found === undefined) throw new Error(`${suite.name}: there is no task ${name}`)
    return found
  }
  const results = tasks
    .filter(({ listed = true }) => listed)
    .map((task) => {
      const compared = compare(of(task.name), of(task.floor))
      const rates =
        task.bytes === undefined
          ? {}
          : { perSecond: 1e9 / compared.median, bytesPerSecond: (1e9 * task.bytes) / compared.median }
      const lost = task.lost === undefined ? {} : { lost: task.lost() }
      const { name, floor: floorName } = task
      return { suite: suite.name, name, unit: 'ns' as const, floorName, ...compared, ...rates, ...lost }
    })
  const gained = gains.map(({ name, one, many, floorName, floorOne, floorMany }) => {
    const gainOf = (ones: number[], manys: number[]): number[] => ones.map((ns, round) => ns / manys[round])
    const compared = compare(gainOf(of(one), of(many)), gainOf(of(floorOne), of(floorMany)))
    return { suite: suite.name, name, unit: '×' as const, floorName, ...compared }
  })
  return [...results, ...gained]
}

function add(bench: Bench, { name, run, time }: BenchTask): void {
  if (time !== undefined) {
    bench.add(name, async () => ({ overriddenDuration: await time() }), { async: true })
  } else if (run !== undefined) bench.add(name, () => run())
}

/** Compares the figures of the rounds with the floor's figures of the same rounds. */
function compare(values: readonly number[], floors: readonly number[]) {
  const ratios = values.map((value, round) => value / floors[round])
  const differences = values.map((value, round) => value - floors[round])
  return {
    median: quantile(values, 0.5),
    p5: quantile(values, 0.05),
    p95: quantile(values, 0.95),
    floor: quantile(floors, 0.5),
    ratio: quantile(ratios, 0.5),
    ratioP5: quantile(ratios, 0.05),
    ratioP95: quantile(ratios, 0.95),
    difference: quantile(differences, 0.5),
  }
}

/** The value below which a part `q` of the values lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.round((sorted.length - 1) * q))]
}
