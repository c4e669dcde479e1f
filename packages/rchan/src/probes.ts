/** The entry `rchan/probes`: what a program does with its threads, recorded without its help. */
export { PROBES, probes, type ProbeChoice, type ProbeDescription } from '@rchan/probes'
