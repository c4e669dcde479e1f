/** Probes: what a program does with its threads, recorded without its help. */
export { choose, PROBES, type ProbeChoice } from './catalog.js'
export type { Probe, ProbeContext } from './probe.js'
export { probes } from './thread-setup.js'
