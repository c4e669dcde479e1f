/** `@rchan/report`: a recording as a page. */
export { toReport, type ReportOptions } from './report.js'
