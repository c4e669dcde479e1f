/** `@rchan/report`: a recording as a page. */
export { toReport, type ReportOptions } from './report.js'
/** @internal For the command. */
export { Report } from './report.js'
