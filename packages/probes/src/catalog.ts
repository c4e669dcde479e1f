/** All probes, and the choice among them. */
import { cpu } from './cpu.js'
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
 * Which probes to use beside the default ones: names; `-NAME` leaves one out; `all` is all
 * but those that tell what may be secret.
 */
export type ProbeChoice = readonly string[]

/**
 * Returns the probes that are meant.
 *
 * @param choice changes the default set, in its order.
 * @throws RangeError for a name that no probe has.
 */
export function choose(choice: ProbeChoice = []): Probe[] {
  const chosen = new Set(PROBES.filter(({ byDefault }) => byDefault))
  for (const text of choice) {
    const isOut = text.startsWith('-')
    const name = isOut ? text.slice(1) : text
    const meant = PROBES.filter(
      (probe) => probe.name === name || (name === 'all' && (isOut || probe.isPrivate !== true)),
    )
    if (meant.length === 0) {
      const names = PROBES.map((probe) => probe.name).join(', ')
      throw new RangeError(`no probe is called ${name}; there are ${names}`)
    }
    for (const probe of meant) {
      if (isOut) chosen.delete(probe)
      else chosen.add(probe)
    }
  }
  return PROBES.filter((probe) => chosen.has(probe))
}
