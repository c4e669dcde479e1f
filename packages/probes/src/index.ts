/** Probes: what a program does with its threads, recorded without its help. */
import { PROBES as all } from './catalog.js'
import type { ProbeChoice } from './choice.js'
import type { ProbeDescription } from './probe.js'

export { probes } from './thread-setup.js'
export type { ProbeChoice, ProbeDescription }

/** The probes that there are. */
export const PROBES: readonly ProbeDescription[] = all.map(
  ({ name, description, byDefault, isPrivate = false }) =>
    Object.freeze({ name, description, byDefault, isPrivate }),
)
