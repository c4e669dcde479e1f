/**
 * What a thread needs of the runtime that declares tracepoints, as long as it records nothing. The
 * rest comes with its first event of a recording: see trace's `writing-half`.
 */
// The clock is taken when this is loaded.
export { now, type Clock } from './clock.js'
export { Control, MAX_ENTRIES, type Limits } from './control-page.js'
export { builtins, thisProcess } from './process.js'
export { thisControl } from './this-control.js'
