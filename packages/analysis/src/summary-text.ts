/** A summary as text, in aligned columns. */
import { durationText, numberText, quantityText } from './quantity.js'
import type { Distribution, Summary, ThreadSummary, TracepointSummary } from './summary.js'
import { shown, table } from './aligned-text.js'

/** Returns a summary as text for people, which ends with a line break. */
export function summaryText(summary: Summary): string {
  const { startedAt, durationNs, events, lost, packetsMissing, tracepoints, threads } = summary
  if (startedAt === undefined) return 'The trace has no events.\n'
  const losses = [
    `${numberText(lost)} lost`,
    ...(packetsMissing === 0 ? [] : [`${numberText(packetsMissing)} packets missing`]),
  ]
  const head =
    `${durationText(durationNs)} from ${startedAt}: ${numberText(events)} events of ` +
    `${threads.length} ${threads.length === 1 ? 'thread' : 'threads'}, ${losses.join(', ')}\n`
  const parts = [head]
  if (tracepoints.length > 0) parts.push(tracepointTable(tracepoints))
  if (threads.length > 0) parts.push(threadTable(threads))
  return parts.join('\n')
}

function tracepointTable(tracepoints: readonly TracepointSummary[]): string {
  const rows: string[][] = [['tracepoint', 'kind', 'count', 'per second', 'p50', 'p99', 'max', '']]
  for (const { name, kind, count, perSecond, durations, failed, cut, withLosses, fields } of tracepoints) {
    const remarks = [
      [failed, 'failed'],
      [cut, 'cut'],
      [withLosses, 'with losses'],
    ].flatMap(([number, what]) => (number === undefined || number === 0 ? [] : [`${number} ${what}`]))
    rows.push([
      shown(name),
      kind,
      numberText(count),
      numberText(perSecond),
      ...(durations === undefined ? ['', '', ''] : quantiles(durations, 'ns')),
      remarks.join(', '),
    ])
    for (const field of fields) {
      const { notFinite = 0 } = field
      const values =
        field.count === 0
          ? ['', '', '']
          : quantiles(field, field.unit === undefined ? undefined : shown(field.unit))
      rows.push([
        `  ${shown(field.name)}`,
        '',
        field.count === count ? '' : numberText(field.count),
        '',
        ...values,
        notFinite === 0 ? '' : `${numberText(notFinite)} not finite`,
      ])
    }
  }
  return table(rows, [true, true, false, false, false, false, false, true])
}

function threadTable(threads: readonly ThreadSummary[]): string {
  const several = new Set(threads.map(({ pid }) => pid)).size > 1
  const rows: string[][] = [
    ['thread', 'id', ...(several ? ['process'] : []), 'since', 'time', 'load', 'events', 'lost', ''],
  ]
  for (const { name, threadId, pid, fromNs, toNs, load, events, lost, how } of threads) {
    rows.push([
      shown(name) || (threadId === 0 ? 'main' : '–'),
      String(threadId),
      ...(several ? [String(pid)] : []),
      durationText(fromNs),
      durationText(toNs - fromNs),
      `${(load * 100).toFixed(1)} %`,
      numberText(events),
      numberText(lost),
      how === undefined ? '' : shown(how),
    ])
  }
  const numbers = rows[0].slice(1, -1).map(() => false)
  return table(rows, [true, ...numbers, true])
}

function quantiles({ p50, p99, max }: Distribution, unit: string | undefined): string[] {
  return [p50, p99, max].map((value) => quantityText(value, unit))
}
