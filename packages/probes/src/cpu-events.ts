/** The tracepoints of the probe `cpu`, which the sampler thread writes. */
import { tracepoint } from '@rchan/trace'

/** Of a thread, in ns since its start. */
export const cpu = tracepoint('cpu', { threadId: 'u32', onCpu: 'u64', waitingForCpu: 'u64' })
/**
 * Of all threads of the process, also those that run no JavaScript; and for how long the CPUs of
 * the machine were idle. In ns.
 */
export const cpuOfAll = tracepoint('cpu:all', { used: 'u64', machineIdle: 'u64' })
