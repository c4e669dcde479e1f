/** The face of rchan: what a program imports to trace and to record. */
export * from '@rchan/trace'
