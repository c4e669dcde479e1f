/**
 * Draws timeline.svg, a picture of a run. It has a lane for each thread with a slice for each task,
 * arrows from submit to run for the longest waits, and below them the number of waiting tasks.
 *
 * Pure functions of an analysis. The picture has its own background, and a dark one if the viewer
 * prefers that.
 */
import { scaleLinear, type ScaleLinear } from 'd3-scale'
import { area, curveStepAfter, linkVertical } from 'd3-shape'
import { basename } from 'node:path'
import {
  hasRun,
  hasSubmit,
  hasWaited,
  waitingOverTime,
  type Analysis,
  type RunTask,
  type Task,
  type Thread,
  type WaitedTask,
} from './analysis.js'
import { countText, numberText, timeText } from './quantities.js'
import { printable } from './report.js'

type TimeScale = ScaleLinear<number, number>
/** A task with an arrow from its submit to its run. */
type ArrowTask = RunTask & WaitedTask

// All lengths are pixels.
const WIDTH = 900
const LEFT = 148
const RIGHT = 20
const MARGIN = 18
const HEAD = 126
const LANE_HEIGHT = 18
const LANE_STEP = 26
const QUEUE_HEIGHT = 56
const QUEUE_GAP = 20
const AXIS_HEIGHT = 32
/** A shorter task is drawn this wide, so that it is visible. */
const LEAST_SLICE = 0.5
const LEAST_LANE = 2
/** Width per character of the text in slices and in the legend: more than common fonts need. */
const CHARACTER = 6.6
const LONGEST_LABEL = 24

/** More can't be told apart. */
const MAX_ARROWS = 14
const ARROW_DISTANCE = 26

const NS_PER_S = 1e9
const NS_PER_MS = 1e6
const UNITS = [
  ['s', NS_PER_S],
  ['ms', NS_PER_MS],
  ['µs', 1e3],
] as const
const TICKS = 9

/** The colours of a kind and of the text on it. */
interface KindColor {
  readonly fill: string
  readonly ink: string
}
const BLACK = '#000000'
/**
 * Colours for the kinds that ran longest. They are by Okabe and Ito, and colour-blind people can
 * tell them apart.
 */
const KIND_COLORS: readonly KindColor[] = [
  { fill: '#0072b2', ink: '#ffffff' },
  { fill: '#e69f00', ink: BLACK },
  { fill: '#009e73', ink: BLACK },
  { fill: '#cc79a7', ink: BLACK },
  { fill: '#d55e00', ink: BLACK },
]
const OTHER_COLOR: KindColor = { fill: '#8a94a0', ink: BLACK }

/** Light and dark. */
const COLORS = {
  paper: ['#ffffff', '#0d1117'],
  edge: ['#d0d7de', '#30363d'],
  ink: ['#1f2328', '#e6edf3'],
  faint: ['#59636e', '#9198a1'],
  rule: ['#eaeef2', '#21262d'],
  phase: ['#b3bac2', '#484f58'],
  lane: ['#e3e8ed', '#2b323b'],
  waiting: ['#9a6dd7', '#a582e0'],
  submit: ['#59636e', '#9198a1'],
  arrow: ['#24292f', '#f0f6fc'],
} as const

const STYLE = `<style>
${rules(0)}
.b{font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}.label{font-size:10.5px;paint-order:stroke;stroke-width:4}
.online,.halo,.arrow,.cross,.slices,.ticks,.rule,.phase{fill:none}
.phase{stroke-dasharray:2 3}.online{stroke-width:2}.cross{stroke-width:1.6}
.halo{stroke-width:3;stroke-opacity:.55}.arrow{stroke-width:1}.waiting{fill-opacity:.5}
@media (prefers-color-scheme:dark){
${rules(1)}
}
</style>
<defs><marker id="head" viewBox="0 0 6 6" refX="5.5" refY="3" markerWidth="6" markerHeight="6" orient="auto">\
<path class="head" d="M0 .4L6 3L0 5.6z"/></marker></defs>`

/** Returns the colours as CSS. @param scheme 0 is light, 1 dark. */
function rules(scheme: 0 | 1): string {
  const { paper, edge, ink, faint, rule, phase, lane, waiting, submit, arrow } = COLORS
  return (
    `.paper{fill:${paper[scheme]};stroke:${edge[scheme]}}text{fill:${ink[scheme]}}` +
    `.faint{fill:${faint[scheme]}}.rule{stroke:${rule[scheme]}}.phase{stroke:${phase[scheme]}}` +
    `.lane{fill:${lane[scheme]}}.waiting{fill:${waiting[scheme]}}.ticks{stroke:${submit[scheme]}}` +
    `.arrow,.online,.cross{stroke:${arrow[scheme]}}.head{fill:${arrow[scheme]}}.halo{stroke:${paper[scheme]}}`
  )
}

/** Returns the picture of a run. */
export function timelineSvg(analysis: Analysis): string {
  const { tasks, phases } = analysis
  const spanNs = Math.max(analysis.endNs, 1)
  const x = scaleLinear([0, spanNs], [LEFT, WIDTH - RIGHT])
  const threads = analysis.threads.toSorted(
    (a, b) => Number(b.cpu === 0) - Number(a.cpu === 0) || a.onlineNs - b.onlineNs,
  )
  const laneTops = new Map(threads.map((thread, lane) => [thread, HEAD + lane * LANE_STEP]))
  const queueTop = HEAD + threads.length * LANE_STEP + QUEUE_GAP
  const bottom = queueTop + QUEUE_HEIGHT
  const height = bottom + AXIS_HEIGHT
  const colorOf = kindColors(tasks)
  const arrows = arrowTasks(tasks, x)
  const title = `compress-tree: ${countText(tasks.length, 'task')} on ${countText(
    threads.filter(({ cpu }) => cpu !== 0).length,
    'worker thread',
  )}, ${timeText(spanNs / NS_PER_MS)}`

  const parts = [
    `<rect class="paper" x=".5" y=".5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`,
    text(MARGIN, 27, title, 'b', 'font-size="15"'),
    text(MARGIN, 46, extremesText(tasks), 'faint'),
    ...legend(colorOf, arrows.length),
    ...timeAxis(x, spanNs, bottom),
  ]
  for (const { name, startNs, endNs } of phases) {
    const from = x(startNs)
    parts.push(`<path class="phase" d="M${round(from)} ${HEAD - 20}V${bottom}"/>`)
    if (x(endNs) - from > (name.length + 1) * CHARACTER) parts.push(text(from + 5, HEAD - 11, name, 'faint'))
  }
  for (const [thread, top] of laneTops) {
    const own = tasks.filter(hasRun).filter((task) => task.thread === thread)
    parts.push(...threadLane(thread, own, colorOf, top, x))
    if (thread.cpu === 0) parts.push(submitTicks(tasks, top, x))
  }
  parts.push(...waitingChart(tasks, x, queueTop, bottom))
  for (const task of arrows) parts.push(arrowLine(task, HEAD + LANE_HEIGHT, laneTops.get(task.thread)!, x))
  parts.push(...sliceLabels(tasks.filter(hasRun), colorOf, laneTops, x))
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `role="img" font-family="system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif" font-size="11.5">\n` +
    `<title>${escaped(title)}</title>\n${STYLE}\n${parts.join('\n')}\n</svg>\n`
  )
}

/** The colours of the kinds that ran longest, in this order; other kinds have no entry. */
function kindColors(tasks: readonly Task[]): Map<string, KindColor> {
  const ran = new Map<string, number>()
  for (const { kind, startNs, endNs } of tasks.filter(hasRun)) {
    ran.set(kind, (ran.get(kind) ?? 0) + endNs - startNs)
  }
  const kinds = [...ran].sort(([, a], [, b]) => b - a).map(([kind]) => kind)
  return new Map(kinds.slice(0, KIND_COLORS.length).map((kind, index) => [kind, KIND_COLORS[index]]))
}

/**
 * Chooses the tasks with an arrow: the longest waits, each at some distance from the earlier ones.
 */
function arrowTasks(tasks: readonly Task[], x: TimeScale): ArrowTask[] {
  const chosen: ArrowTask[] = []
  const waits = tasks
    .filter((task): task is ArrowTask => hasRun(task) && hasWaited(task))
    .sort((a, b) => b.startNs - b.submitNs - (a.startNs - a.submitNs))
  for (const task of waits) {
    if (chosen.length === MAX_ARROWS) break
    if (chosen.every(({ startNs }) => Math.abs(x(startNs) - x(task.startNs)) >= ARROW_DISTANCE)) {
      chosen.push(task)
    }
  }
  return chosen
}

/** Draws an arrow from the submit, below the main thread's lane, to the left edge of the slice. */
function arrowLine({ submitNs, startNs }: ArrowTask, from: number, laneTop: number, x: TimeScale): string {
  const d = linkVertical()({
    source: [round(x(submitNs)), from],
    target: [round(x(startNs)), laneTop],
  })!
  return `<path class="halo" d="${d}"/><path class="arrow" marker-end="url(#head)" d="${d}"/>`
}

/** Returns the extremes as text: the figures that a reader looks for first. */
function extremesText(tasks: readonly Task[]): string {
  const longest = tasks.filter(hasRun).reduce<RunTask | undefined>((a, b) => {
    return a === undefined || b.endNs - b.startNs > a.endNs - a.startNs ? b : a
  }, undefined)
  const waited = tasks.filter(hasWaited).map(({ submitNs, startNs }) => startNs - submitNs)
  if (longest === undefined || waited.length === 0) return 'no task ran'
  return (
    `longest task: ${labelText(basename(longest.path))}, ${timeText((longest.endNs - longest.startNs) / NS_PER_MS)}` +
    `; longest wait to run: ${timeText(waited.reduce((a, b) => Math.max(a, b)) / NS_PER_MS)}`
  )
}

/** Draws a lane: when the thread was there, and the tasks that it ran. */
function threadLane(
  thread: Thread,
  own: readonly RunTask[],
  colorOf: ReadonlyMap<string, KindColor>,
  top: number,
  x: TimeScale,
): string[] {
  const { cpu, threadId } = thread
  const from = x(thread.onlineNs)
  const to = Math.max(x(thread.offlineNs), from + LEAST_LANE)
  const bottom = top + LANE_HEIGHT
  const middle = top + LANE_HEIGHT / 2
  const parts = [
    text(MARGIN, top + 13, cpu === 0 ? 'main thread' : `thread ${threadId}`, 'b'),
    text(LEFT - 10, top + 13, `CPU ${cpu}`, 'faint end'),
    `<rect class="lane" x="${round(from)}" y="${top}" width="${round(to - from)}" height="${LANE_HEIGHT}"/>`,
  ]
  for (const color of [OTHER_COLOR, ...colorOf.values()]) {
    const slices = own.filter(({ kind }) => (colorOf.get(kind) ?? OTHER_COLOR) === color)
    if (slices.length === 0) continue
    const d = slices.map(({ startNs, endNs }) => {
      const left = x(startNs)
      return `M${round(left)} ${middle}h${round(Math.max(x(endNs) - left, LEAST_SLICE))}`
    })
    parts.push(
      `<path class="slices" stroke="${color.fill}" stroke-width="${LANE_HEIGHT - 4}" d="${d.join('')}"/>`,
    )
  }
  if (cpu !== 0) {
    parts.push(`<path class="online" d="M${round(from)} ${top - 2}V${bottom + 2}"/>`)
    if (thread.ended) parts.push(`<g transform="translate(${round(to)} ${middle})">${CROSS}</g>`)
  }
  return parts
}

/** Draws the files' names on the slices that have room for them. They cover the arrows. */
function sliceLabels(
  tasks: readonly RunTask[],
  colorOf: ReadonlyMap<string, KindColor>,
  laneTops: ReadonlyMap<Thread, number>,
  x: TimeScale,
): string[] {
  return tasks.flatMap(({ thread, kind, path, startNs, endNs }) => {
    const name = labelText(basename(path))
    const { fill, ink } = colorOf.get(kind) ?? OTHER_COLOR
    return name.length * CHARACTER + 8 < x(endNs) - x(startNs)
      ? [
          text(
            x(startNs) + 4,
            laneTops.get(thread)! + 13,
            name,
            'label',
            `stroke="${fill}" style="fill:${ink}"`,
          ),
        ]
      : []
  })
}

const CROSS = '<path class="cross" d="M-3.5-3.5l7 7m0-7l-7 7"/>'

/** Draws when tasks were submitted. Submits at the same pixel share one mark. */
function submitTicks(tasks: readonly Task[], top: number, x: TimeScale): string {
  const places = new Set(tasks.filter(hasSubmit).map(({ submitNs }) => round(x(submitNs))))
  const d = Array.from(places, (place) => `M${place} ${top + 4}v10`)
  return `<path class="ticks" stroke-width=".7" d="${d.join('')}"/>`
}

/** Draws the number of waiting tasks: the maximum in each pixel. */
function waitingChart(tasks: readonly Task[], x: TimeScale, top: number, bottom: number): string[] {
  const most = Array.from({ length: WIDTH - LEFT - RIGHT + 1 }, () => 0)
  let column = 0
  let waiting = 0
  for (const { atNs, count } of waitingOverTime(tasks)) {
    const to = Math.floor(x(atNs) - LEFT)
    // Tasks that waited before also wait in all pixels up to this one.
    for (; column < to; column += 1) most[column + 1] = waiting
    most[column] = Math.max(most[column], count)
    waiting = count
  }
  const peak = most.reduce((a, b) => Math.max(a, b), 1)
  const y = scaleLinear([0, peak], [bottom, top])
  const changes = most
    .map((count, index) => ({ count, at: LEFT + index }))
    .filter(({ count }, index) => index === 0 || index === most.length - 1 || count !== most[index - 1])
  const d = area<(typeof changes)[number]>(
    ({ at }) => at,
    () => bottom,
    ({ count }) => round(y(count)),
  ).curve(curveStepAfter)(changes)!
  return [
    `<path class="waiting" d="${d}"/>`,
    text(MARGIN, (top + bottom) / 2 + 4, 'tasks waiting', 'b'),
    text(LEFT - 10, top + 9, numberText(peak), 'faint end'),
    text(LEFT - 10, bottom, '0', 'faint end'),
  ]
}

/** In the unit that gives short numbers. */
function timeAxis(x: TimeScale, spanNs: number, bottom: number): string[] {
  const [unit, unitNs] = UNITS.find(([, ns]) => spanNs >= 2 * ns) ?? UNITS[UNITS.length - 1]
  const time = scaleLinear([0, spanNs / unitNs], x.range())
  const format = time.tickFormat(TICKS)
  return time.ticks(TICKS).flatMap((tick) => {
    const at = round(time(tick))
    return [
      `<path class="rule" d="M${at} ${HEAD - 6}V${bottom}"/>`,
      text(at, bottom + 18, `${format(tick)} ${unit}`, 'faint mid'),
    ]
  })
}

/** The kinds of tasks, and below them the marks. */
function legend(colorOf: ReadonlyMap<string, KindColor>, arrows: number): string[] {
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
  const box = ({ fill }: KindColor): string => `<rect width="16" height="12" fill="${fill}"/>`
  return [
    ...row(68, [
      ...[...colorOf].map(([kind, color]) => [box(color), labelText(kind)] as const),
      [box(OTHER_COLOR), 'other kinds'],
    ]),
    ...row(88, [
      [
        '<rect class="lane" width="16" height="12"/><path class="online" d="M1-1V13"/>',
        'thread starts, is idle',
      ],
      [`<rect class="lane" width="12" height="12"/><g transform="translate(12 6)">${CROSS}</g>`, 'ends'],
      ['<path class="ticks" stroke-width=".7" d="M3 1v10m5-10v10m5-10v10"/>', 'submits a task'],
      [
        '<path class="arrow" marker-end="url(#head)" d="M1 6H16"/>',
        `from submit to run: ${arrows} of the longest waits`,
      ],
    ]),
  ]
}

/** Returns the name of a file or a kind, shortened. */
function labelText(name: string): string {
  const shown = printable(name)
  return shown.length <= LONGEST_LABEL ? shown : `${shown.slice(0, LONGEST_LABEL - 1)}…`
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
