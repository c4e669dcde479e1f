/**
 * The probe `tasks`: the way of each task of a pool of workers, from its submission to its reply.
 *
 * A pool sends its tasks to its workers as messages. The submitting side puts the task's number
 * into the pool's own envelope, beside the task, and the worker's side finds it there. So a task is
 * known on both sides, however the pool finds its messages.
 */
import { watchCalls } from './calls.js'
import { PortPeers } from './port-peers.js'
import { tapPorts } from './ports.js'
import { watchPools } from './pools.js'
import { watchRuns } from './runs.js'
import type { Probe } from './probe.js'

export const tasks: Probe = {
  name: 'tasks',
  description: 'tasks of pools: queued, dispatched, run, replied',
  byDefault: true,
  install(context) {
    const peers = new PortPeers(context)
    const watched = [watchPools(context, peers), watchCalls(context, peers), watchRuns(context)]
    const closes = watched.flatMap(({ tap, end }) => [tapPorts(tap), end])
    closes.push(() => peers.end())
    // The classes of Node that are replaced come back in the order in which that happened.
    return () => closes.toReversed().forEach((close) => close())
  },
}
