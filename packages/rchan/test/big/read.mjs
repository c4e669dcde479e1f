/**
 * Reads or converts a trace, and says what memory that takes. Prints the number of items or bytes,
 * and the most resident and the most array memory, in bytes.
 *
 * argv: folder, what: items, records, summary, a format, or files: all formats in one read
 */
import { summarize } from 'rchan/analysis'
import { FORMATS } from 'rchan/export'
import { openTrace } from 'rchan/reader'

const [folder, what] = process.argv.slice(2)
/** Steps between two looks at memory. */
const STEPS = { items: 2 ** 16, records: 2 ** 16 }

const trace = openTrace(folder)
let count = 0
let mostArrays = 0
const look = () => {
  mostArrays = Math.max(mostArrays, process.memoryUsage().arrayBuffers)
}

if (what === 'items' || what === 'records') {
  for (const _ of trace[what]()) {
    count += 1
    if (count % STEPS[what] === 0) look()
  }
} else if (what === 'summary') {
  count = summarize(trace).tracepoints?.length ?? 1
} else if (what === 'files') {
  // A picture reads the trace again.
  const conversions = Object.entries(FORMATS)
    .filter(([name]) => name !== 'svg')
    .map(([, { start }]) => start(trace))
  for (const item of trace.items()) {
    for (const conversion of conversions) {
      const piece = conversion.push(item)
      if (piece === undefined) continue
      count += piece.length
      look()
    }
  }
  for (const conversion of conversions) for (const piece of conversion.finish()) count += piece.length
} else {
  for (const piece of FORMATS[what].convert(trace)) {
    count += piece.length
    look()
  }
}
look()
// In kilobytes.
const rss = process.resourceUsage().maxRSS * 1024
console.log(JSON.stringify({ count, rss, mostArrays }))
