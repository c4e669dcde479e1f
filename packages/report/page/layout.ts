/** Where each row stands. All lengths are pixels. */
import type { Timeline } from './timeline.js'

export const LANE = 16
export const BAND = 8
export const EVENTS = 8
const CHART = 44
const PROCESS = 24
const GAP = 6
const LABEL = 34
const LABEL_OF_MANY = 20
/** With more threads, each has less room. */
const MANY = 24
/** What is always there: an overview, and the axis. */
export const OVERVIEW = 26
export const AXIS = 22
export const HEAD = OVERVIEW + AXIS

/** A row: of a process's name, a chart or a thread. */
export interface Row {
  readonly kind: 'process' | 'chart' | 'thread'
  /** Its place among those of its kind. */
  readonly place: number
  readonly top: number
  readonly height: number
}

/** The rows of a timeline. */
export class Layout {
  readonly rows: readonly Row[]
  readonly height: number
  /** Where the last row ends. */
  readonly foot: number
  /** Whether a label has a second line. */
  readonly isRoomy: boolean
  readonly #ofThread: number[] = []

  constructor({ data, parts }: Timeline) {
    const rows: Row[] = []
    let top = HEAD
    const add = (kind: Row['kind'], place: number, height: number): void => {
      rows.push({ kind, place, top, height })
      top += height
    }
    this.isRoomy = data.threads.length <= MANY
    const label = this.isRoomy ? LABEL : LABEL_OF_MANY
    const charts = data.processes.map((): number[] => [])
    for (const [place, { process }] of data.charts.entries()) charts[process]?.push(place)
    // Threads of a process stand together.
    let thread = 0
    for (const process of data.processes.keys()) {
      if (data.processes.length > 1) add('process', process, PROCESS)
      for (const place of charts[process]) add('chart', place, CHART)
      for (; data.threads[thread]?.process === process; thread += 1) {
        const { lanes, events } = parts[thread]
        const content = BAND + lanes.length * LANE + (events[1] > events[0] ? EVENTS : 0)
        this.#ofThread.push(rows.length)
        add('thread', thread, Math.max(label, content) + GAP)
      }
    }
    this.rows = rows
    this.foot = top
    this.height = top + GAP
  }

  /** The row at a height; undefined if there is none. */
  at(y: number): Row | undefined {
    return this.rows.find(({ top, height }) => y >= top && y < top + height)
  }

  ofThread(thread: number): Row | undefined {
    const place = this.#ofThread[thread]
    return place === undefined ? undefined : this.rows[place]
  }
}
