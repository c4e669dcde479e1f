/** The entry `rchan/report`: a recording as a page. */
export { toReport, type ReportOptions } from '@rchan/report'
/** @internal For the command. */
export { Report } from '@rchan/report'
export type * from './items.js'
