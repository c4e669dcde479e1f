/**
 * A trace as a table, for spreadsheets and data frames: a row for each item, quoted as RFC 4180
 * says.
 *
 * Fields stand in one column, as JSON: tracepoints have different ones. Rows end in CR LF.
 */
import type {
  EventClass,
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
  const name = item.type === 'async' ? item.name : event.name
  const members = jsonMembers(fields, 'quoted')
  const json = members === '' ? '{}' : `"{${members}}"`
  return `${nameCell(event, name)},${event.level ?? 'info'},${threadCells(thread)},${kindCells(item)},${json}`
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

/** The cells of threads, which have many items. A thread's name may change. */
const threads = new WeakMap<TraceThread, { readonly name: string; readonly text: string }>()

function threadCells(thread: TraceThread): string {
  const { process, threadId, name, cpu } = thread
  let known = threads.get(thread)
  if (known?.name !== name) {
    known = { name, text: `${process.pid},${threadId},${cell(name)},${cpu}` }
    threads.set(thread, known)
  }
  return known.text
}

const names = new WeakMap<EventClass, string>()

/** Returns the cell of an event's name; `name` is that of its asynchronous span, if it has one. */
function nameCell(event: EventClass, name: string): string {
  let text = names.get(event)
  if (text === undefined) names.set(event, (text = cell(name)))
  return text
}

/** Returns a text as a cell. */
function cell(text: string): string {
  if (!/[",\r\n]/.test(text)) return text
  return `"${text.replaceAll('"', '""')}"`
}
