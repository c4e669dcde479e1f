/** The entry `rchan/export`: a trace as other programs want it. */
export { toPerfetto } from '@rchan/export'
export type * from './items.js'
