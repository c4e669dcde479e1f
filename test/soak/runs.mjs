/**
 * The runs of `npm run soak`, in their order.
 *
 * A run plays `count` times, from `seed`. It reports each forbidden thing to `fail`, and how far it
 * is to `progress`. It returns its figures in one line.
 */
import { runWays } from './ways.mjs'
import { runCuts, runSnapshots } from './snapshots.mjs'
import { runTerminates } from './terminates.mjs'
import { runWorkers } from './workers.mjs'
import { runCpus } from './cpus.mjs'
import { runRecordings } from './recordings.mjs'

export const RUNS = [
  { name: 'ways', count: 20, about: 'times each way to die', run: runWays },
  { name: 'terminates', count: 1000, about: 'workers terminated while they write', run: runTerminates },
  { name: 'snapshots', count: 1000, about: 'snapshots under load', run: runSnapshots },
  { name: 'cuts', count: 10_000, about: 'snapshots of threads that pass tokens', run: runCuts },
  { name: 'workers', count: 10_000, about: 'workers in sequence through 8 places', run: runWorkers },
  { name: 'cpus', count: 10_000, about: 'workers in sequence as 8 CPUs of a runtime', run: runCpus },
  { name: 'recordings', count: 1000, about: 'recordings in a row in one process', run: runRecordings },
]
