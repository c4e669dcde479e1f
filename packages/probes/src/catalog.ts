/** All probes, and the choice among them. */
import { cpu } from './cpu.js'
import { isChosen, type ProbeChoice } from './choice.js'
import { gc } from './gc.js'
import { io } from './io.js'
import { loop } from './loop.js'
import { messages } from './messages.js'
import { samples } from './samples.js'
import type { Probe } from './probe.js'
import { taskArguments } from './task-arguments.js'
import { tasks } from './tasks.js'
import { threads } from './threads.js'

/** The probes, in the order in which they are installed. */
export const PROBES: readonly Probe[] = [threads, tasks, messages, gc, loop, cpu, io, samples, taskArguments]

/**
 * Returns the probes that are meant.
 *
 * @param choice changes the default set, in its order.
 * @throws RangeError for a name that no probe has.
 */
export function choose(choice: ProbeChoice = []): Probe[] {
  const names = PROBES.map((probe) => probe.name)
  for (const text of choice) {
    const name = text.replace(/^-/, '')
    if (name !== 'all' && !names.includes(name))
      throw new RangeError(`no probe is called ${name}; there are ${names.join(', ')}`)
  }
  return PROBES.filter((probe) => isChosen(choice, probe))
}
