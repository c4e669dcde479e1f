/**
 * The probe `cpu` (Linux): for each thread the time on a CPU and the time in which it was runnable
 * and waited for one, from the kernel's own account, every 20 to 50 ms, while it changes. The
 * sampler thread reads it. See `schedstat.ts` for how exact it is.
 */
import type { Probe } from './probe.js'

export const cpu: Probe = {
  name: 'cpu',
  description: 'time of each thread on a CPU, and waiting for one (Linux)',
  byDefault: true,
  // The sampler does all: `thread-setup.ts` starts it when this probe is chosen.
  install: () => undefined,
}
