/** `@rchan/export`: a trace as other programs want it. */
export type { Conversion } from './conversion.js'
export { toChrome } from './chrome.js'
export { followCsv, toCsv } from './csv.js'
export { FORMATS, type Format, type FormatDescription } from './formats.js'
export { followJsonLines, toJsonLines } from './jsonl.js'
export { toPerfetto } from './perfetto.js'
export { toSpeedscope } from './speedscope.js'
export { toSvg, type SvgOptions } from './svg.js'
