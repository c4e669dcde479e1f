/**
 * What a thread needs of the runtime that declares tracepoints, as long as it records nothing. The
 * rest comes with its first event of a recording: see trace's `writing-half`.
 */
// What it takes from the program it takes when it is loaded: the clocks, and what the kernel says
// of this thread.
export { now, type Clock } from './clock.js'
export { clocks } from '@rchan/sync/clocks'
export type { Limits } from './control.js'
export { builtins, thisProcess } from './process.js'
export { thisControl } from './this-control.js'
