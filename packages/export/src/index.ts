/** `@rchan/export`: a trace as other programs want it. */
export { toChrome } from './chrome.js'
export { toCsv } from './csv.js'
export { FORMATS, type Format, type FormatDescription } from './formats.js'
export { toJsonLines } from './jsonl.js'
export { toPerfetto } from './perfetto.js'
export { toSpeedscope } from './speedscope.js'
export { toSvg, type SvgOptions } from './svg.js'
