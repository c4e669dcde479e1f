/**
 * `npm run bench`: runs the suites, and prints each figure with its floor and spread.
 *
 *   npm run bench -- [--suite NAME] [--json FILE] [--rounds N]
 *
 * `--rounds` are those of the suite that is named. Without a name they are those of a suite whose
 * rounds are short; one whose rounds take long has fewer.
 */
import { availableParallelism, cpus, totalmem } from 'node:os'
import { openSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { convert } from './convert.js'
import { drain } from './drain.js'
import { emit, emitApart, emitGlobal, emitMany, emitOff } from './emit.js'
import { emitTypes } from './emit-types.js'
import { flight } from './flight.js'
import { measure, shareOfRounds, type BenchResult, type Suite } from './harness.js'
import { overhead } from './overhead/index.js'
import { relayReserve, relaySwitch, relayWrite } from './relay.js'
import { startUp } from './start-up.js'
import { throughput } from './throughput/index.js'

/** The suites in the order in which they run. Suites with the same name are parts of one. */
const SUITES: readonly Suite[] = [
  emitOff,
  emit,
  emitGlobal,
  emitApart,
  emitTypes,
  emitMany,
  relayWrite,
  relayReserve,
  relaySwitch,
  drain,
  convert,
  ...throughput,
  ...startUp,
  ...flight,
  overhead,
]
const NAMES = [...new Set(SUITES.map(({ name }) => name))]

const USAGE = `usage: npm run bench -- [--suite ${NAMES.join('|')}] [--json FILE] [--rounds 1…1000]`

function usage(message: string): never {
  console.error(`${message}\n${USAGE}`)
  process.exit(2)
}

function options(): { suite: string | undefined; json: string | undefined; rounds: number | undefined } {
  let values: { suite?: string; json?: string; rounds?: string; help?: boolean }
  try {
    ;({ values } = parseArgs({
      options: {
        suite: { type: 'string' },
        json: { type: 'string' },
        rounds: { type: 'string' },
        help: { type: 'boolean' },
      },
    }))
    if (values.help === true) {
      console.log(USAGE)
      process.exit(0)
    }
  } catch (error) {
    usage((error as Error).message)
  }
  const { suite, json, rounds } = values
  if (suite !== undefined && !NAMES.includes(suite)) usage(`suite=${suite}: there are ${NAMES.join(', ')}`)
  const count = rounds === undefined ? undefined : Number(rounds)
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= 1000)) {
    usage(`rounds=${rounds} is not a whole number from 1 to 1000`)
  }
  return { suite, json, rounds: count }
}

/** Long times are shown in other units. */
function scaleOf({ unit, median }: BenchResult): { unit: string; divisor: number } {
  if (unit === 'ns' && median >= 1e6) return { unit: 'ms', divisor: 1e6 }
  if (unit === 'ns' && median >= 1e4) return { unit: 'µs', divisor: 1e3 }
  return { unit, divisor: 1 }
}

function line(result: BenchResult): string {
  const { unit, divisor } = scaleOf(result)
  const figure = (value: number): string => (value / divisor).toFixed(2)
  const column = (value: number): string => figure(value).padStart(8)
  const spread = `${column(result.p5)} …${column(result.p95)}`
  const difference = `${result.difference < 0 ? '−' : '+'}${figure(Math.abs(result.difference))} ${unit}`
  const floor =
    result.floorName === result.name
      ? 'floor'
      : `${result.ratio.toFixed(2)} (${result.ratioP5.toFixed(2)}…${result.ratioP95.toFixed(2)}) × ${result.floorName}` +
        (result.unit === '×' ? ` of ${figure(result.floor)} ×` : `, ${difference}`)
  const { perSecond, bytesPerSecond, lost } = result
  const rates =
    perSecond === undefined || bytesPerSecond === undefined
      ? ''
      : `  ${millions(perSecond)} M/s, ${(bytesPerSecond / 1e9).toFixed(2)} GB/s`
  const losses =
    lost === undefined ? '' : `  lost ${(lost * 100).toFixed(lost < 0.001 && lost > 0 ? 4 : 1)} %`
  return `${result.name.padEnd(32)}${column(result.median)} ${unit}  [${spread}]  ${floor}${rates}${losses}`
}

function millions(count: number): string {
  return (count / 1e6).toFixed(count < 1e6 ? 3 : 1)
}

const { suite: only, json, rounds } = options()
// Checked before anything is measured: otherwise the results would be lost.
let jsonFile: number | undefined
try {
  if (json !== undefined) jsonFile = openSync(json, 'w')
} catch (error) {
  usage(`--json ${json}: ${(error as Error).message}`)
}
const [processor] = cpus()
const machine = {
  cpu: processor?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  platform: `${process.platform}-${process.arch}`,
}
console.log(`${machine.cpu}, ${machine.cores} cores, Node ${process.version}, ${machine.platform}`)
console.log('median of the rounds [5th … 95th percentile]; ratios are taken in each round, then their median')
const results: BenchResult[] = []
for (const suite of SUITES) {
  if (only !== undefined && suite.name !== only) continue
  const count = only === undefined || rounds === undefined ? shareOfRounds(suite, rounds) : rounds
  console.log(`\n${suite.name}, ${count} round${count === 1 ? '' : 's'}: ${suite.about}`)
  for (const result of await measure(suite, count)) {
    results.push(result)
    console.log(line(result))
  }
}
if (jsonFile !== undefined) {
  writeFileSync(jsonFile, `${JSON.stringify({ machine, node: process.version, results }, undefined, 2)}\n`)
}
