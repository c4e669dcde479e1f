/**
 * The probe `tasks`: the way of each task of a pool of workers, from its submission to its reply.
 *
 * A pool sends its tasks to its workers as messages. The submitting side puts the task's number
 * into the pool's own envelope, beside the task, and the worker's side finds it there. So a task is
 * known on both sides, however the pool finds its messages.
 */
import { tapPorts } from './ports.js'
import { watchPools } from './pools.js'
import { watchRuns } from './runs.js'
import type { Probe } from './probe.js'

export const tasks: Probe = {
  name: 'tasks',
  description: 'tasks of piscina and tinypool: queued, dispatched, run, replied',
  byDefault: true,
  install(context) {
    const pools = watchPools(context)
    const runs = watchRuns(context)
    const closes = [tapPorts(pools.tap), tapPorts(runs.tap), pools.end, runs.end]
    return () => closes.forEach((close) => close())
  },
}
