/** The command: captures made-up I/O as blktrace would, and prints what blkparse will find. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { capture, type CpuReport } from './capture.js'
import { ACTION_NAMES } from './record.js'

const HELP = `usage: node examples/blktrace/dist/main.js [NAME] [options]

Writes NAME.blktrace.0, NAME.blktrace.1 … as the kernel's blktrace does, by relay channels of rchan.
NAME is blktrace-output/io unless given; files of an earlier run under it are removed.

  --cpus N      CPUs, each a worker thread (4)
  --pauses N    how often the reader pauses until every CPU has lost records (5)
  --records N   records that every CPU writes, at least, before, between and behind the pauses (500)
  --kill CPU    terminate this CPU's thread half-way: what it had written is there
  --seed N      other requests (1)
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
        pauses: { type: 'string', default: '5' },
        records: { type: 'string', default: '500' },
        kill: { type: 'string' },
        seed: { type: 'string', default: '1' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function summaryText(name: string, reports: readonly CpuReport[]): string {
  const lines = reports.map(({ cpu, written, refused, ledger }) => {
    if (ledger === undefined) return `cpu ${cpu}  terminated: ${written} records written, ${refused} lost`
    const { actions, last, lastWritten, gaps } = ledger
    const counts = ACTION_NAMES.map((action) => `${action} ${actions[action].written}`).join('  ')
    const total = ACTION_NAMES.reduce((sum, action) => sum + actions[action].written, 0)
    return (
      `cpu ${cpu}  ${counts}   ${last - total} of ${last} lost in ${gaps.length} gaps` +
      (last > lastWritten ? `, and the last ${last - lastWritten}` : '')
    )
  })
  return [
    ...lines,
    '',
    `blkparse -i ${name}                                          prints them by time`,
    `cat ${name}.blktrace.* | blkparse -i - -b 1000000 -v         counts the gaps as skips`,
  ].join('\n')
}

try {
  const { values, positionals } = readArguments()
  if (values.help) {
    process.stdout.write(HELP)
  } else {
    const [name = 'blktrace-output/io', ...more] = positionals
    if (more.length > 0) throw new UsageError(`one name, not ${positionals.join(' and ')}`)
    const cpus = wholeNumber('cpus', values.cpus, 1, 60)
    const options = {
      cpus,
      pauses: wholeNumber('pauses', values.pauses, 0, 1000),
      records: wholeNumber('records', values.records, 1, 1_000_000),
      seed: wholeNumber('seed', values.seed, 0, 1_000_000),
      subbufSize: SUBBUF_BYTES,
      subbufCount: SUBBUF_COUNT,
      ...(values.kill !== undefined && { killed: wholeNumber('kill', values.kill, 0, cpus - 1) }),
    }
    // Not `recursive`: with it Node 20 never returns if a folder can't be made, in /proc for
    // example.
    const folder = dirname(name)
    if (!existsSync(folder)) mkdirSync(folder)
    const reports = await capture(name, options)
    console.log(summaryText(name, reports))
  }
} catch (error) {
  const wrongArguments = error instanceof UsageError
  console.error(`blktrace: ${(error as Error).message}${wrongArguments ? '\nTry --help.' : ''}`)
  process.exitCode = wrongArguments ? 2 : 1
}
