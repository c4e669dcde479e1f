/**
 * Plays rounds of a mode until its time is over, but a minimum number of them. Adds up their sums
 * and reports them.
 */
import { derive, Random } from './random.mjs'

const MINUTE_MS = 60_000
/** After that many failed rounds a mode is given up. */
const MAX_FAILURES = 10

const SUMS = ['attempted', 'delivered', 'overwritten', 'discarded', 'torn', 'traceless', 'kills']

/**
 * @param mode an entry of `MODES`.
 * @param options.round if given, that round is played again and again.
 * @param options.atLeast so many rounds are played, however long they take. Default: 1.
 * @param options.print prints a line.
 * @param options.playing is told which round begins.
 * @returns the sums, `rounds`, and `failures`, a text for each forbidden thing that was seen.
 */
export async function runMode(mode, { seconds, atLeast = 1, seed, round, print, playing }) {
  const sums = { rounds: 0, ...Object.fromEntries(SUMS.map((name) => [name, 0])) }
  const failures = []
  const startMs = performance.now()
  let minutes = 0
  for (
    let next = round ?? 0;
    sums.rounds < atLeast || performance.now() - startMs < seconds * 1000;
    next += round === undefined ? 1 : 0
  ) {
    playing?.(next)
    const said = []
    const roundSeed = derive(seed, mode.name, next)
    try {
      const result = await mode.round({
        seed: roundSeed,
        random: new Random(roundSeed),
        log: (line) => said.push(line),
      })
      for (const name of SUMS) sums[name] += result[name]
      const known = result.delivered + result.overwritten + result.discarded + result.torn + result.traceless
      if (known !== result.attempted) throw new Error(`the books are not exact: ${JSON.stringify(result)}`)
      if (result.traceless > result.kills) throw new Error(`more than one traceless for each kill`)
    } catch (error) {
      const again = `${commandFor(mode.name, seed)} --round ${next}`
      const failure = [`FORBIDDEN in mode ${mode.name}, round ${next}: ${error.message}`, `  ${again}`]
      if (error.stack !== undefined) said.push(error.stack)
      failures.push([...failure, ...said.map((told) => `  ${told}`)].join('\n'))
      print(failures.at(-1))
      if (failures.length === MAX_FAILURES) break
    }
    sums.rounds += 1
    const nowMinutes = Math.floor((performance.now() - startMs) / MINUTE_MS)
    if (nowMinutes > minutes) {
      minutes = nowMinutes
      print(`${minutes} min, ${modeLine(mode.name, sums, failures)}`)
    }
  }
  return { ...sums, failures }
}

/** Returns the command that plays a mode with this seed. */
export function commandFor(name, seed) {
  return `npm run stress -- --mode ${name} --seed ${seed}`
}

/** A mode's line. */
export function modeLine(name, sums, failures) {
  const { rounds, delivered, overwritten, discarded, torn, traceless, kills } = sums
  const seen = failures.length === 0 ? 'nothing forbidden seen' : `${failures.length} rounds FAILED`
  return (
    `${name}: ${rounds} rounds, ${delivered} records delivered, ${overwritten} overwritten, ` +
    `${discarded} discarded, ${torn} torn, ${kills} kills (${traceless} traceless): ${seen}`
  )
}
