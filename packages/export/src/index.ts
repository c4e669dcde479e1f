/** `@rchan/export`: a trace as other programs want it. */
export { toPerfetto } from './perfetto.js'
