/**
 * The long runs: `npm run soak`. Whole programs that record, with real threads and processes, which
 * die, or go on for long.
 *
 *   --only NAME   one run; may be given several times. Default: all, one after the other
 *   --seed N      a whole number; default a random one, which is printed
 *   --scale X     so much of each run's count; default 1
 *   --folder DIR  where traces are written; default the folder for temporary files
 *
 * Each run prints its progress, and at its end its figures. What is forbidden stands at the head of
 * each run's file. A trace in which something forbidden was seen stays in the folder.
 *
 * Exit status: 0 if nothing forbidden was seen, 1 if something was, 2 for misuse.
 */
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RUNS } from './runs.mjs'

const NAMES = RUNS.map(({ name }) => name)
const USAGE = [
  `usage: npm run soak -- [--only ${NAMES.join('|')}] [--seed N] [--scale X] [--folder DIR]`,
  ...RUNS.map(({ name, count, about }) => `  ${name}: ${count.toLocaleString('en')} ${about}`),
].join('\n')
const MAX_SEED = 2 ** 32 - 1
/** A line of progress comes no more often. */
const PROGRESS_MS = 10_000

/** @throws RangeError, TypeError for arguments that can't be. */
function options(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', multiple: true, default: NAMES },
      seed: { type: 'string', default: String(Math.floor(Math.random() * MAX_SEED)) },
      scale: { type: 'string', default: '1' },
      folder: { type: 'string', default: tmpdir() },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = values.only.find((name) => !NAMES.includes(name))
  if (unknown !== undefined) throw new RangeError(`only=${unknown}: there are ${NAMES.join(', ')}`)
  if (!/^\d+$/.test(values.seed) || Number(values.seed) > MAX_SEED)
    throw new RangeError(`seed=${values.seed} is not a whole number from 0 to ${MAX_SEED}`)
  const scale = Number(values.scale)
  if (!(scale > 0 && scale <= 1000))
    throw new RangeError(`scale=${values.scale} is not a number above 0, up to 1000`)
  return { ...values, seed: Number(values.seed), scale }
}

/** Plays one run. @returns whether nothing forbidden was seen. */
async function play({ name, count, run }, { seed, scale, folder }) {
  const scaled = Math.max(1, Math.round(count * scale))
  const startMs = performance.now()
  const seconds = () => `${((performance.now() - startMs) / 1000).toFixed(0)} s`
  const failures = []
  let toldAt = startMs
  const figures = await run({
    count: scaled,
    seed,
    folder,
    progress: (done, of = scaled) => {
      if (performance.now() - toldAt < PROGRESS_MS) return
      toldAt = performance.now()
      console.log(`${name}: ${done} of ${of} after ${seconds()}, ${failures.length} forbidden`)
    },
    fail: (message) => {
      failures.push(message)
      const again = `npm run soak -- --only ${name} --seed ${seed} --scale ${scale}`
      console.log(`FORBIDDEN in ${name}: ${message}\n  ${again}`)
    },
  })
  const seen = failures.length === 0 ? 'nothing forbidden seen' : `FORBIDDEN ${failures.length} times`
  console.log(`${name}: ${figures}; ${seconds()}: ${seen}`)
  return failures.length === 0
}

async function main(args) {
  let chosen
  try {
    chosen = options(args)
  } catch (error) {
    console.error(`soak: ${error.message}\n${USAGE}`)
    return 2
  }
  if (chosen.help) {
    console.log(USAGE)
    return 0
  }
  const { seed, scale, only } = chosen
  const folder = mkdtempSync(join(chosen.folder, 'rchan soak '))
  console.log(`seed ${seed}, scale ${scale}, Node ${process.version}, folder ${folder}`)
  let good = true
  for (const run of RUNS) {
    if (only.includes(run.name)) good = (await play(run, { seed, scale, folder })) && good
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder)
  return good ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
