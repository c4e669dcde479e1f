/**
 * The probe `cpu` (Linux): for each thread the time on a CPU and the time in which it was runnable
 * and waited for one, from the kernel's own account, every 20 to 50 ms, while it changes. The
 * sampler thread reads it. See `schedstat.ts` for how exact it is.
 *
 * The sampler may start later than the program, and the program may end before: so the main thread
 * tells of itself at its start and its end. A worker may come and go between two looks: so it tells
 * of itself at its end. One that is terminated can't.
 */
import { whileRecording } from '@rchan/trace'
import { atExit } from './at-exit.js'
import { tellProcess, tellThread } from './cpu-events.js'
import { MachineIdle } from './machine-idle.js'
import { guarded, type Probe } from './probe.js'
import { kernelThreadId, Schedstat } from './schedstat.js'

export const cpu: Probe = {
  name: 'cpu',
  description: 'time of each thread on a CPU, and waiting for one (Linux)',
  byDefault: true,
  // `thread-setup.ts` sees to the sampler when this probe is chosen.
  install(context) {
    const tell = guarded(context, () => {
      const account = Schedstat.open(kernelThreadId())
      if (account !== undefined) tellThread(context.threadId, account)
      account?.close()
      if (!context.isMainThread) return
      const machine = MachineIdle.open()
      if (machine !== undefined) tellProcess(machine)
      machine?.close()
    })
    return whileRecording(() => {
      if (context.isMainThread) tell()
      return atExit(tell)
    })
  },
}
