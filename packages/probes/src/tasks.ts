/**
 * The probe `tasks`: the way of each task of a pool of workers, from its submission to its reply.
 *
 * A pool sends its tasks to its workers as messages. The submitting side puts the task's number
 * into the pool's own envelope, beside the task, and the worker's side finds it there. So a task is
 * known on both sides, however the pool finds its messages.
 */
import { CallTracker, type CallLibrary } from './call-tracker.js'
import { jestWorker } from './jest-worker.js'
import { PISCINA_KINDS, PiscinaPools } from './piscina.js'
import { poolifier } from './poolifier.js'
import { PortPeers } from './port-peers.js'
import { tapPorts } from './ports.js'
import { TaskRuns } from './runs.js'
import type { Probe } from './probe.js'
import { workerpool } from './workerpool.js'

/**
 * The libraries whose tasks are calls of functions. To add one, write it and put it into this
 * table, and tell the findings what its options are called (`pool-options` of `analysis`).
 */
const LIBRARIES: readonly CallLibrary[] = [workerpool, jestWorker, poolifier]

/** What the pools are called that are followed. */
export const POOL_KINDS: readonly string[] = [
  ...Object.values(PISCINA_KINDS),
  ...LIBRARIES.map(({ kind }) => kind),
]

export const tasks: Probe = {
  name: 'tasks',
  description: 'tasks of pools: queued, dispatched, run, replied',
  byDefault: true,
  install(context) {
    const peers = new PortPeers(context)
    const watched = [
      new PiscinaPools(context, peers),
      new CallTracker(context, peers, LIBRARIES),
      new TaskRuns(context, LIBRARIES),
    ]
    const closes = watched.flatMap((watch) => [tapPorts(watch), () => watch.end()])
    closes.push(() => peers.end())
    // The classes of Node that are replaced come back in the order in which that happened.
    return () => closes.toReversed().forEach((close) => close())
  },
}
