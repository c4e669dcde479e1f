/** The entry `rchan/probes`: what a program does with its threads, recorded without its help. */
export { choose, PROBES, probes, type Probe, type ProbeChoice, type ProbeContext } from '@rchan/probes'
