/**
 * What the probe `cpu` tells. The sampler thread tells it of all threads, and the main thread of
 * itself at its start and its end.
 */
import { tracepoint } from '@rchan/trace'
import type { MachineIdle } from './machine-idle.js'
import type { Schedstat } from './schedstat.js'
import { late } from './late.js'

const NS_PER_US = 1e3
// As it is now: the program may replace it.
const cpuUsage = process.cpuUsage.bind(process)

/** Of a thread, in ns since its start. */
const cpu = late(() => tracepoint('cpu', { threadId: 'u32', onCpu: 'u64', waitingForCpu: 'u64' }))
/**
 * Of all threads of the process, also those that run no JavaScript; and for how long the CPUs of
 * the machine were idle. In ns.
 */
const cpuOfAll = late(() => tracepoint('cpu:all', { used: 'u64', machineIdle: 'u64' }))

/** Tells what was read of a thread. */
export function tellThread(threadId: number, { onCpu, waitingForCpu }: Schedstat): void {
  cpu()({ threadId, onCpu, waitingForCpu })
}

/** Tells of all threads, with what was read of the machine. */
export function tellProcess({ ns }: MachineIdle): void {
  const { user, system } = cpuUsage()
  cpuOfAll()({ used: (user + system) * NS_PER_US, machineIdle: ns })
}
