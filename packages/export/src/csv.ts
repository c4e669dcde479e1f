/**
 * A trace as a table, for spreadsheets and data frames: a row for each item, quoted as RFC 4180
 * says.
 *
 * Fields stand in one column, as JSON: tracepoints have different ones. Rows end in CR LF.
 */
import type { ItemOptions, ItemSource, TraceItem } from '@rchan/ctf/reader'
import { jsonMembers } from './json-text.js'
import { Pieces } from './pieces.js'
import { WallTimes } from './wall-times.js'

const COLUMNS = [
  'time',
  'wall_time',
  'type',
  'name',
  'level',
  'pid',
  'thread_id',
  'thread',
  'cpu',
  'start',
  'end',
  'duration',
  'outcome',
  'phase',
  'id',
  'fields',
] as const

type Row = Partial<Record<(typeof COLUMNS)[number], string | number | bigint | undefined>>

/**
 * Converts a trace to CSV.
 *
 * @returns the file, in pieces of about 64 KiB.
 */
export function* toCsv(source: ItemSource, options: ItemOptions = {}): IterableIterator<string> {
  const pieces = new Pieces()
  const wallTimes = new WallTimes(source)
  pieces.add(`${COLUMNS.join(',')}\r\n`)
  for (const item of source.items(options)) {
    const row = rowOf(item)
    row.wall_time = wallTimes.of(item.time)
    let line = ''
    for (let index = 0; index < COLUMNS.length; index += 1) {
      const value = row[COLUMNS[index]]
      if (index > 0) line += ','
      if (value !== undefined) line += typeof value === 'string' ? cell(value) : String(value)
    }
    pieces.add(`${line}\r\n`)
    if (pieces.isFull) yield pieces.take()
  }
  yield pieces.take()
}

function rowOf(item: TraceItem): Row {
  const { type, time } = item
  const row: Row = { time, type }
  const thread = item.type === 'gap' ? undefined : item.thread
  if (thread !== undefined) {
    row.pid = thread.process.pid
    row.thread_id = thread.threadId
    row.thread = thread.name
    row.cpu = thread.cpu
  }
  switch (item.type) {
    case 'loss':
    case 'gap':
      row.cpu = item.cpu
      times(row, item.from, item.to)
      row.fields = item.type === 'loss' ? `{"events":${item.events}}` : `{"packets":${item.packets}}`
      return row
    case 'thread':
      row.phase = item.phase
      row.fields = `{${jsonMembers({ runs: item.runs, how: item.how }, 'text')}}`
      return row
    case 'span':
      times(row, item.start, item.end)
      row.outcome = item.outcome
      break
    case 'async':
      row.phase = item.phase
      row.id = item.id
      row.outcome = item.outcome
      break
    case 'flow':
      row.phase = item.phase
      row.id = item.id
      break
    case 'event':
      if (item.at !== time) row.start = item.at
      break
    default:
  }
  row.name = item.type === 'async' ? item.name : item.event.name
  row.level = item.event.level ?? 'info'
  row.fields = `{${jsonMembers(item.fields, 'text')}}`
  return row
}

function times(row: Row, start: bigint, end: bigint): void {
  row.start = start
  row.end = end
  row.duration = end - start
}

/** Returns a text as a cell. */
function cell(text: string): string {
  if (!/[",\r\n]/.test(text)) return text
  return `"${text.replaceAll('"', '""')}"`
}
