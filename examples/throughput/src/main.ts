/** `node dist/main.js --help` says what it does. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { run } from './run.js'
import { tableOf, whole } from './table.js'

const HELP = `Workers write to relay channels while they are spawned and retired; a consumer thread counts.

  --workers N      workers at once, 1 to 32 (default: a core less than there are)
  --seconds S      how long (default: 5)
  --record BYTES   bytes of a record, 1 to 65536 (default: 64)
  --rate N         records a second of each worker; 0: as many as it can (default: 0)
  --respawn S      retires a worker and spawns the next, so often; 0: never (default: 1)
  --overwrite      a full buffer overwrites its oldest records (default: it discards the newest)

Ctrl-C ends the run; what was written is still counted.`

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: String(Math.max(1, availableParallelism() - 1)) },
    seconds: { type: 'string', default: '5' },
    record: { type: 'string', default: '64' },
    rate: { type: 'string', default: '0' },
    respawn: { type: 'string', default: '1' },
    overwrite: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function numberOf(
  name: 'workers' | 'seconds' | 'record' | 'rate' | 'respawn',
  least: number,
  most: number,
): number {
  const value = Number(values[name])
  if (value >= least && value <= most) return value
  throw new RangeError(`--${name} ${values[name]} is not a number from ${least} to ${most}`)
}

async function main(): Promise<void> {
  if (values.help) return console.log(HELP)
  const abort = new AbortController()
  // Once: a second Ctrl-C ends the process at once.
  process.once('SIGINT', () => abort.abort())
  const result = await run({
    workers: Math.floor(numberOf('workers', 1, 32)),
    seconds: numberOf('seconds', 0, 1e6),
    recordBytes: Math.floor(numberOf('record', 1, 65536)),
    rate: numberOf('rate', 0, 1e9),
    respawnSeconds: numberOf('respawn', 0, 1e6),
    mode: values.overwrite ? 'overwrite' : 'discard',
    signal: abort.signal,
    tell: ({ seconds, records, bytes }) =>
      console.log(`${whole(records / seconds)} records/s, ${(bytes / seconds / 1e6).toFixed(1)} MB/s`),
  })
  console.log(`\n${result.seconds.toFixed(1)} s\n${tableOf(result)}`)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
