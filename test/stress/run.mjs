/**
 * Runs real threads at random paces, for as long as you like: `npm run stress -- --seconds S --seed
 * N`.
 *
 *   --seconds S   for each mode; default 60
 *   --seed N      a whole number; default a random one, which is printed
 *   --mode M      one mode only; default all, one after the other
 *   --parallel    all at once
 *   --round R     of --mode, plays round R again and again
 *
 * Each round has its own seed. The choices made from it are the same every time, but the threads'
 * races are not. So a round that failed may have to be played for a while until it fails again.
 *
 * Forbidden, in every mode:
 *
 * - a torn record is accepted, or a byte that no writer wrote;
 * - a record is delivered twice, or out of order;
 * - a record is neither delivered nor counted (overwritten, discarded, torn);
 * - the number of overwritten records differs from the gap, or the number of discarded records
 *   differs from the refusals, by cause;
 * - after the death of a writer, a record is missing although its write had returned;
 * - the books are not exact: attempted = delivered + overwritten + discarded + torn + traceless,
 *   where a writer that was terminated has at most one attempt that was torn or left no trace, and
 *   one that was not has none;
 * - a sub-buffer is complete and its header is not;
 * - a thread is stuck, or fails.
 *
 * Exit status: 0 if no forbidden outcome was seen, 1 if one was, 2 for misuse.
 */
import { parseArgs } from 'node:util'
import { MODES } from './modes.mjs'
import { commandFor, modeLine, runMode } from './rounds.mjs'
import { watchMain } from './watchdog.mjs'

const NAMES = MODES.map(({ name }) => name)
const USAGE = [
  `usage: npm run stress -- [--seconds S] [--seed N] [--mode ${NAMES.join('|')}] [--parallel] [--round R]`,
  ...MODES.map(({ name, about }) => `  ${name}: ${about}`),
].join('\n')
const MAX_SEED = 2 ** 32 - 1

/** @throws RangeError, TypeError for arguments that can't be. */
function options(args) {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * MAX_SEED)) },
      mode: { type: 'string' },
      round: { type: 'string' },
      parallel: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const whole = (name, most) => {
    const value = values[name]
    if (value === undefined) return undefined
    if (!/^\d+$/.test(value) || Number(value) > most) {
      throw new RangeError(`${name}=${value} is not a whole number from 0 to ${most}`)
    }
    return Number(value)
  }
  const seconds = Number(values.seconds)
  if (!(seconds > 0 && seconds <= 1e6))
    throw new RangeError(`seconds=${values.seconds} is not a number above 0, up to 1e6`)
  if (values.mode !== undefined && !NAMES.includes(values.mode)) {
    throw new RangeError(`mode=${values.mode}: there are ${NAMES.join(', ')}`)
  }
  const round = whole('round', MAX_SEED)
  if (round !== undefined && values.mode === undefined)
    throw new RangeError(`round=${round} of which --mode?`)
  return { ...values, seconds, seed: whole('seed', MAX_SEED), round }
}

async function main(args) {
  let chosen
  try {
    chosen = options(args)
  } catch (error) {
    console.error(`stress: ${error.message}\n${USAGE}`)
    return 2
  }
  if (chosen.help) {
    console.log(USAGE)
    return 0
  }
  const { seconds, seed, round, parallel } = chosen
  console.log(`seed ${seed}, ${seconds} s for each mode, Node ${process.version}`)
  const modes = MODES.filter(({ name }) => chosen.mode === undefined || chosen.mode === name)
  const playing = watchMain(modes.map(({ name }) => commandFor(name, seed)))
  const run = async (mode, index) => {
    const report = await runMode(mode, {
      seconds,
      seed,
      round,
      print: (text) => console.log(text),
      playing: (number) => playing(index, number),
    })
    playing(index, -1)
    return { name: mode.name, report }
  }
  const reports = []
  if (parallel) reports.push(...(await Promise.all(modes.map(run))))
  else for (const [index, mode] of modes.entries()) reports.push(await run(mode, index))
  for (const { name, report } of reports) console.log(modeLine(name, report, report.failures))
  return reports.every(({ report }) => report.failures.length === 0) ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
