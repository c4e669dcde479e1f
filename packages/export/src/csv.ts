/**
 * A trace as a table, for spreadsheets and data frames: a row for each item, quoted as RFC 4180
 * says.
 *
 * Fields stand in one column, as JSON: tracepoints have different ones. Rows end in CR LF.
 */
import type {
  FollowOptions,
  FollowSource,
  ItemOptions,
  ItemSource,
  TraceItem,
  TraceThread,
} from '@rchan/ctf/reader'
import { piecesOf, type Conversion } from './conversion.js'
import { followInPieces } from './follow.js'
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
]

/** An item that a record says. */
type RecordItem = Exclude<TraceItem, { type: 'loss' | 'gap' | 'thread' }>

/**
 * Converts a trace to CSV.
 *
 * @returns the file, in pieces of about 64 KiB.
 */
export function toCsv(source: ItemSource, options?: ItemOptions): IterableIterator<string> {
  return piecesOf(startCsv, source, options)
}

/** Starts a conversion to CSV. */
export function startCsv(source: ItemSource): Conversion<string> {
  const pieces = new Pieces()
  const rows = new Rows(pieces, source)
  return {
    push(item) {
      rows.add(item)
      return pieces.takeFull()
    },
    finish: () => [pieces.take()],
  }
}

/**
 * Converts a recording that still runs to CSV, as `follow()` gives its items.
 *
 * @returns the file, in pieces of whole rows: each when the items in it have come.
 */
export function followCsv(source: FollowSource, options: FollowOptions = {}): AsyncIterableIterator<string> {
  const pieces = new Pieces()
  const rows = new Rows(pieces, source)
  return followInPieces(source, options, pieces, (item) => rows.add(item))
}

class Rows {
  readonly #pieces: Pieces
  readonly #wallTimes: WallTimes

  /** Adds the header. */
  constructor(pieces: Pieces, source: Pick<ItemSource, 'wallClock'>) {
    this.#pieces = pieces
    this.#wallTimes = new WallTimes(source)
    pieces.add(`${COLUMNS.join(',')}\r\n`)
  }

  add(item: TraceItem): void {
    const wallTime = this.#wallTimes.of(item.time)
    this.#pieces.add(`${item.time},${wallTime},${item.type},${cellsOf(item)}\r\n`)
  }
}

/** Returns the cells behind `type`. */
function cellsOf(item: TraceItem): string {
  switch (item.type) {
    case 'gap':
      return `,,,,,${item.cpu},${times(item.from, item.to)},,,,${cell(`{"packets":${item.packets}}`)}`
    case 'loss': {
      const { thread, cpu, events } = item
      const who = thread === undefined ? `,,,${cpu}` : threadCells(thread)
      return `,,${who},${times(item.from, item.to)},,,,${cell(`{"events":${events}}`)}`
    }
    case 'thread': {
      const { thread, phase, runs, how } = item
      return `,,${threadCells(thread)},,,,,${phase},,${cell(`{${jsonMembers({ runs, how }, 'text')}}`)}`
    }
    default:
  }
  const { event, thread, fields } = item
  const name = cell(item.type === 'async' ? item.name : event.name)
  return `${name},${event.level ?? 'info'},${threadCells(thread)},${kindCells(item)},${cell(`{${jsonMembers(fields, 'text')}}`)}`
}

/** Returns the cells from `start` to `id`. */
function kindCells(item: RecordItem): string {
  switch (item.type) {
    case 'span':
      return `${times(item.start, item.end)},${item.outcome},,`
    case 'async':
      return `,,,${item.outcome ?? ''},${item.phase},${item.id}`
    case 'flow':
      return `,,,,${item.phase},${item.id}`
    case 'event':
      return item.at === item.time ? ',,,,,' : `${item.at},,,,,`
    default:
      return ',,,,,'
  }
}

function times(start: bigint, end: bigint): string {
  return `${start},${end},${end - start}`
}

function threadCells({ process, threadId, name, cpu }: TraceThread): string {
  return `${process.pid},${threadId},${cell(name)},${cpu}`
}

/** Returns a text as a cell. */
function cell(text: string): string {
  if (!/[",\r\n]/.test(text)) return text
  return `"${text.replaceAll('"', '""')}"`
}
