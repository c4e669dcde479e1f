/**
 * The suite *overhead*: what the probes add to a pool of tasks of 1 ms. Each run is a process of
 * its own (`program.ts`). In a round each variant runs once, in the next round in the opposite
 * order: so what else the machine does is shared out.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchTask, Suite } from '../harness.js'
import type { Figures } from './program.js'
import work from './task.js'

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))
const AUTO = import.meta.resolve('rchan/auto')
/**
 * The program alone, recorded without a probe, with the default ones, and with each of them alone.
 */
const ALONE = 'alone'
const VARIANTS: Readonly<Record<string, string | undefined>> = {
  [ALONE]: undefined,
  'no-probe': '-all',
  default: '',
  threads: '-all,threads',
  tasks: '-all,tasks',
  messages: '-all,messages',
  gc: '-all,gc',
  loop: '-all,loop',
  cpu: '-all,cpu',
  io: '-all,io',
  samples: '-all,samples',
}
const NAMES = Object.keys(VARIANTS)
const TASKS = 2000
const START_ITERATIONS = 100_000
const CALIBRATIONS = 200

/** Finds how many iterations take 1 ms of CPU time. */
function iterationsOfMs(): number {
  for (let round = 0; round < CALIBRATIONS; round += 1) work(START_ITERATIONS)
  const before = process.cpuUsage()
  for (let round = 0; round < CALIBRATIONS; round += 1) work(START_ITERATIONS)
  const { user, system } = process.cpuUsage(before)
  return Math.round((START_ITERATIONS * CALIBRATIONS * 1000) / (user + system))
}

function run(variant: string, iterations: number, folder: string): Figures {
  const probes = VARIANTS[variant]
  const recorded =
    probes === undefined
      ? {}
      : { NODE_OPTIONS: `--import=${AUTO}`, RCHAN_DIR: join(folder, variant), RCHAN_PROBES: probes }
  const text = execFileSync(process.execPath, [PROGRAM, String(TASKS), String(iterations)], {
    encoding: 'utf8',
    env: { ...process.env, ...recorded },
  })
  rmSync(join(folder, variant), { recursive: true, force: true })
  return JSON.parse(text) as Figures
}

/** Runs all variants when a new round asks for the first of them. */
class Rounds {
  readonly #iterations = iterationsOfMs()
  readonly #folder = mkdtempSync(join(tmpdir(), 'rchan-overhead-'))
  #figures = new Map<string, Figures>()
  #taken = new Set<string>()
  #isReversed = false

  /** @returns a figure of this round. */
  take(variant: string, figure: keyof Figures): number {
    const key = `${variant} ${figure}`
    if (this.#taken.has(key) || this.#figures.size === 0) this.#next()
    this.#taken.add(key)
    const figures = this.#figures.get(variant)
    if (figures === undefined) throw new Error(`no run of ${variant}`)
    return figures[figure]
  }

  #next(): void {
    const order = this.#isReversed ? NAMES.toReversed() : NAMES
    this.#isReversed = !this.#isReversed
    this.#taken = new Set()
    this.#figures = new Map(order.map((variant) => [variant, run(variant, this.#iterations, this.#folder)]))
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const tasksOf = (rounds: Rounds, figure: keyof Figures, operations: number): BenchTask[] =>
  NAMES.map((variant) => ({
    name: `${figure}-${variant}`,
    floor: `${figure}-${ALONE}`,
    operations,
    time: () => Promise.resolve(rounds.take(variant, figure)),
  }))

export const overhead: Suite = {
  name: 'overhead',
  about:
    'piscina with 2 threads, tasks of 1 ms: alone (the floor), recorded without a probe, with the default probes, with each ' +
    'probe alone. cpu: CPU time of the whole process for a task, a few seconds after the start; wall: time for a task; ' +
    'early: CPU time for a task right after the start, while V8 compiles; start: CPU time from the start of the process ' +
    'until each worker has had a task',
  rounds: 9,
  warmUpRounds: 0,
  calls: 1,
  setUp: () => {
    const rounds = new Rounds()
    return Promise.resolve({
      tasks: [
        ...tasksOf(rounds, 'cpu', TASKS),
        ...tasksOf(rounds, 'wall', TASKS),
        ...tasksOf(rounds, 'early', TASKS),
        ...tasksOf(rounds, 'start', 1),
      ],
      tearDown: () => Promise.resolve(rounds.remove()),
    })
  },
}
