/**
 * A picture of a trace, as SVG: a lane for each thread with its spans, arrows for the longest ways
 * from thread to thread, and numbers over time below. For documents. It has its own background, and
 * a dark one if the viewer prefers that.
 */
import { durationText, numberText } from '@rchan/analysis'
import type { ItemOptions, ItemSource } from '@rchan/ctf/reader'
import { ticks } from 'd3-array'
import { piecesOf, type Conversion } from './conversion.js'
import { threadName } from './identity.js'
import {
  Gatherer,
  isMain,
  Overview,
  type Arrow,
  type Chart,
  type Lane,
  type Picture,
  type Slice,
} from './picture.js'
import { INKS, OTHER, PALETTE, STYLE } from './svg-style.js'

/** How a picture is drawn. */
export interface SvgOptions extends ItemOptions {
  /** What stands above it; by default, how many spans of how many threads it shows. */
  readonly title?: string
}

// All lengths are pixels.
const WIDTH = 900
const LEFT = 156
const RIGHT = 20
const MARGIN = 18
const HEAD = 108
const ROW = 18
const GAP = 8
const CHART = 44
const CHART_GAP = 18
const AXIS = 32
const COLUMNS = WIDTH - LEFT - RIGHT
/** Width per character: more than common fonts need. */
const CHARACTER = 6.6
const LONGEST_LABEL = 24
const TICKS = 9
const UNITS: readonly (readonly [string, number])[] = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
  ['ns', 1],
]

/** Draws a trace. Gives one piece of text. */
export function toSvg(source: ItemSource, options?: SvgOptions): IterableIterator<string> {
  return piecesOf(startSvg, source, options)
}

/** Starts a drawing. At the end it reads the trace again. */
export function startSvg(source: ItemSource, options: SvgOptions = {}): Conversion<string> {
  const overview = new Overview()
  return {
    push(item) {
      overview.push(item)
      return undefined
    },
    finish() {
      const gatherer = new Gatherer(overview.result(), COLUMNS)
      for (const item of source.items(options)) gatherer.push(item)
      return [drawn(gatherer.picture(), options.title)]
    },
  }
}

function drawn(picture: Picture, title: string | undefined): string {
  const { lanes, duration, charts, arrows, names } = picture
  const x = (ns: number): number => round(LEFT + (ns / duration) * COLUMNS)
  const tops = new Map<Lane, number>()
  let y = HEAD
  for (const lane of lanes) {
    tops.set(lane, y)
    y += lane.depth * ROW + GAP
  }
  const chartTops = charts.map(() => {
    y += CHART_GAP
    const top = y
    y += CHART
    return top
  })
  const bottom = y + 4
  const height = bottom + AXIS
  const shownTitle = title ?? titleOf(picture)
  const parts = [
    `<rect class="paper" x=".5" y=".5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`,
    text(MARGIN, 27, shownTitle, 'b', 'font-size="15"'),
    text(MARGIN, 46, extremesOf(picture), 'faint'),
    ...legend(names, arrows.length, picture.lost > 0),
    ...axis(duration, x, bottom),
  ]
  for (const lane of lanes) parts.push(...laneParts(lane, tops.get(lane) as number, x, lanes))
  charts.forEach((chart, index) => parts.push(...chartParts(chart, chartTops[index])))
  for (const arrow of arrows) parts.push(arrowPart(arrow, tops, x))
  for (const lane of lanes) parts.push(...labels(lane, tops.get(lane) as number, x))
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `role="img" font-family="system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif" font-size="11.5">\n` +
    `<title>${escaped(shownTitle)}</title>\n${STYLE}\n${parts.join('\n')}\n</svg>\n`
  )
}

function titleOf({ spans, lanes, hiddenLanes, duration }: Picture): string {
  const threads = lanes.length + hiddenLanes
  return `${numberText(spans)} spans on ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${durationText(duration)}`
}

function extremesOf({ longest, lost, hiddenLanes }: Picture): string {
  const parts = [
    longest === undefined
      ? 'no spans'
      : `longest span: ${labelText(longest.name)}, ${durationText(longest.duration)}`,
    ...(lost > 0 ? [`${numberText(lost)} events were lost`] : []),
    ...(hiddenLanes > 0 ? [`${hiddenLanes} more threads are not shown`] : []),
  ]
  return parts.join('; ')
}

/** A thread: when it was there, its spans, and what it lost. */
function laneParts(lane: Lane, top: number, x: (ns: number) => number, lanes: readonly Lane[]): string[] {
  const { thread, came, went, hasEnded, depth } = lane
  const height = depth * ROW
  const from = x(came)
  const to = Math.max(x(went), from + 2)
  const severalProcesses = lanes.some(({ thread: { process } }) => process !== thread.process)
  const place = severalProcesses
    ? `pid ${thread.process.pid}`
    : isMain(lane)
      ? ''
      : `thread ${thread.threadId}`
  const name = threadName(thread)
  const room = Math.floor((LEFT - 14 - MARGIN - place.length * CHARACTER) / CHARACTER)
  const parts = [
    text(MARGIN, top + 13, shortened(name, Math.max(8, room)), 'b'),
    text(LEFT - 10, top + 13, name.endsWith(place) ? '' : place, 'faint end'),
    `<rect class="lane" x="${from}" y="${top}" width="${round(to - from)}" height="${height}"/>`,
  ]
  for (let color = -1; color < PALETTE.length; color += 1) {
    const fill = PALETTE[color] ?? OTHER
    const marks = lane.marks[color + 1] ?? new Set<number>()
    const narrow = Array.from(marks, (column) => `M${LEFT + column} ${top + ROW / 2}h.8`)
    for (let row = 0; row < depth; row += 1) {
      const own = lane.slices.filter((slice) => slice.color === color && slice.depth === row)
      const d = [
        ...(row === 0 ? narrow : []),
        ...own.map(
          (slice) =>
            `M${x(slice.from)} ${top + row * ROW + ROW / 2}h${round(Math.max(x(slice.to) - x(slice.from), 0.5))}`,
        ),
      ]
      if (d.length > 0)
        parts.push(`<path class="slices" stroke="${fill}" stroke-width="${ROW - 4}" d="${d.join('')}"/>`)
    }
  }
  for (const slice of lane.slices.filter(({ isCut }) => isCut)) {
    const right = x(slice.to)
    const middle = top + slice.depth * ROW + ROW / 2
    parts.push(`<path class="cut" d="M${right} ${middle - 7}l-3 3.5l3 3.5l-3 3.5l3 3.5"/>`)
  }
  for (const loss of lane.losses) {
    const left = x(loss.from)
    parts.push(
      `<rect class="loss" x="${left}" y="${top}" width="${round(Math.max(x(loss.to) - left, 1.5))}" height="${height}"/>`,
    )
  }
  if (came > 0) parts.push(`<path class="came" d="M${from} ${top - 2}V${top + height + 2}"/>`)
  if (hasEnded) parts.push(`<g transform="translate(${to} ${top + ROW / 2})">${CROSS}</g>`)
  return parts
}

const CROSS = '<path class="cross" d="M-3.5-3.5l7 7m0-7l-7 7"/>'

/** Texts on the spans that have room for them. They cover the arrows. */
function labels(lane: Lane, top: number, x: (ns: number) => number): string[] {
  return lane.slices.flatMap(({ label, from, to, color, depth }: Slice) => {
    const shown = labelText(label)
    if (shown.length * CHARACTER + 8 >= x(to) - x(from)) return []
    const fill = PALETTE[color] ?? OTHER
    const ink = INKS[color] ?? '#000000'
    return [text(x(from) + 4, top + depth * ROW + 12, shown, 'label', `stroke="${fill}" style="fill:${ink}"`)]
  })
}

/** A number over time, as steps. */
function chartParts({ name, columns, counts }: Chart, top: number): string[] {
  const peak = columns.reduce((a, b) => Math.max(a, b), 0)
  const bottom = top + CHART
  const yOf = (value: number): number => round(bottom - (peak === 0 ? 0 : (value / peak) * CHART))
  let d = `M${LEFT} ${bottom}`
  let last: number | undefined
  for (const [column, value] of columns.entries()) {
    if (value === last) continue
    d += `H${LEFT + column}V${yOf(value)}`
    last = value
  }
  d += `H${LEFT + columns.length}V${bottom}z`
  const room = Math.floor((LEFT - MARGIN) / CHARACTER) - 2
  const middle = top + CHART / 2
  const [what, part = counts ? 'open' : ''] = name.split(' ')
  return [
    `<path class="chart" d="${d}"/>`,
    text(MARGIN, middle, shortened(what, room), 'b'),
    text(MARGIN, middle + 14, shortened(part, room), 'faint'),
    text(LEFT - 10, top + 9, numberText(peak), 'faint end'),
    text(LEFT - 10, bottom, '0', 'faint end'),
  ]
}

/** From the thread where a way begins to the one where it goes on. */
function arrowPart(
  { from, fromLane, to, toLane }: Arrow,
  tops: ReadonlyMap<Lane, number>,
  x: (ns: number) => number,
): string {
  const fromTop = tops.get(fromLane) as number
  const toTop = tops.get(toLane) as number
  const isDown = toTop > fromTop
  const start = fromTop + (isDown ? fromLane.depth * ROW : 0)
  const end = toTop + (isDown ? 0 : toLane.depth * ROW)
  const middle = round((start + end) / 2)
  const d = `M${x(from)} ${start}C${x(from)} ${middle} ${x(to)} ${middle} ${x(to)} ${end}`
  return `<path class="halo" d="${d}"/><path class="arrow" marker-end="url(#head)" d="${d}"/>`
}

/** In the unit that gives short numbers. */
function axis(duration: number, x: (ns: number) => number, bottom: number): string[] {
  const [unit, ns] = UNITS.find(([, each]) => duration >= 2 * each) ?? ['ns', 1]
  return ticks(0, duration / ns, TICKS).flatMap((tick) => [
    `<path class="rule" d="M${x(tick * ns)} ${HEAD - 8}V${bottom}"/>`,
    text(x(tick * ns), bottom + 18, `${tick} ${unit}`, 'faint mid'),
  ])
}

/** The names of the spans, and below them the marks. */
function legend(names: readonly string[], arrows: number, hasLosses: boolean): string[] {
  const row = (y: number, entries: readonly (readonly [swatch: string, label: string])[]): string[] => {
    let at = MARGIN
    return entries.flatMap(([swatch, label]) => {
      const left = at
      at += 22 + label.length * CHARACTER + 12
      return [
        `<g transform="translate(${round(left)} ${y - 10})">${swatch}</g>`,
        text(left + 22, y, label, 'faint'),
      ]
    })
  }
  const box = (fill: string): string => `<rect width="16" height="12" fill="${fill}"/>`
  return [
    ...row(68, [
      ...names.map((name, index) => [box(PALETTE[index]), labelText(name)] as const),
      [box(OTHER), 'other spans'],
    ]),
    ...row(88, [
      ['<rect class="lane" width="16" height="12"/><path class="came" d="M1-1V13"/>', 'a thread comes'],
      [`<rect class="lane" width="12" height="12"/><g transform="translate(12 6)">${CROSS}</g>`, 'and ends'],
      ...(hasLosses ? ([['<rect class="loss" width="16" height="12"/>', 'events were lost']] as const) : []),
      ...(arrows > 0
        ? ([
            [
              '<path class="arrow" marker-end="url(#head)" d="M1 6H16"/>',
              `from thread to thread: the ${arrows} longest ways`,
            ],
          ] as const)
        : []),
    ]),
  ]
}

function labelText(name: string): string {
  return shortened(name, LONGEST_LABEL)
}

function shortened(name: string, most: number): string {
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`
}

function text(x: number, y: number, content: string, classes: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${classes}"${attributes && ` ${attributes}`}>${escaped(content)}</text>`
}

/** Escapes a text for XML. Characters that XML can't hold, not even as an entity, become �. */
function escaped(content: string): string {
  return content
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '�')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
