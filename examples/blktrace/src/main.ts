/** The command: captures made-up I/O as blktrace would, and says what blkparse will find. */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { capture } from './capture.js'
import { ACTION_NAMES } from './record.js'
import type { Ledger } from './workload.js'

const HELP = `usage: node examples/blktrace/dist/main.js [NAME] [options]

Writes NAME.blktrace.0, NAME.blktrace.1 … as the kernel's blktrace does, by relay channels of rchan.
NAME is blktrace-output/io unless given; files of an earlier run under it are removed.

  --cpus N       CPUs (4)
  --batches N    batches of requests of each CPU (500)
  --pause N      the reader pauses N batches after each N, so that records are lost; 0: never (40)
  --seed N       other requests (1)
`
const SUBBUF_BYTES = 8192
const SUBBUF_COUNT = 4

class UsageError extends Error {}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not ${text}`)
  return value
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        cpus: { type: 'string', default: '4' },
        batches: { type: 'string', default: '500' },
        pause: { type: 'string', default: '40' },
        seed: { type: 'string', default: '1' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function summaryText(name: string, ledgers: readonly Ledger[]): string {
  const lines = ledgers.map(({ cpu, actions, last, lastWritten, gaps }) => {
    const written = ACTION_NAMES.map((action) => `${action} ${actions[action].written}`).join('  ')
    const total = ACTION_NAMES.reduce((sum, action) => sum + actions[action].written, 0)
    return (
      `cpu ${cpu}  ${written}   ${last - total} of ${last} lost in ${gaps.length} gaps` +
      (last > lastWritten ? `, and the last ${last - lastWritten}` : '')
    )
  })
  return [
    ...lines,
    '',
    `blkparse -i ${name}                               prints them by time`,
    `cat ${name}.blktrace.* | blkparse -i - -v         counts the gaps as skips`,
  ].join('\n')
}

try {
  const { values, positionals } = readArguments()
  if (values.help) {
    process.stdout.write(HELP)
  } else {
    const [name = 'blktrace-output/io', ...more] = positionals
    if (more.length > 0) throw new UsageError(`one name, not ${positionals.join(' and ')}`)
    const options = {
      cpus: wholeNumber('cpus', values.cpus, 1, 64),
      batches: wholeNumber('batches', values.batches, 1, 1_000_000),
      pauseBatches: wholeNumber('pause', values.pause, 0, 1_000_000),
      seed: wholeNumber('seed', values.seed, 0, 1_000_000),
    }
    mkdirSync(dirname(name), { recursive: true })
    const ledgers = capture(name, {
      ...options,
      subbufSize: SUBBUF_BYTES,
      subbufCount: SUBBUF_COUNT,
      now: () => process.hrtime.bigint(),
      wallNs: BigInt(Date.now()) * 1_000_000n,
    })
    console.log(summaryText(name, ledgers))
  }
} catch (error) {
  const wrongArguments = error instanceof UsageError
  console.error(`blktrace: ${(error as Error).message}${wrongArguments ? '\nTry --help.' : ''}`)
  process.exitCode = wrongArguments ? 2 : 1
}
