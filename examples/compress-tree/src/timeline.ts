/**
 * Draws the timeline of a recorded run as an SVG: the tasks on each thread, and above them how many waited.
 *
 * A program of its own: `node timeline.js [demo-output] [out.svg]`. Reads the trace, nothing else. What is narrower
 * than a pixel is drawn together, so the size of the picture doesn't grow with the trace.
 */
import { openTrace } from 'rchan/ctf/reader'
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { analyse, hasRun, waitingOverTime, type Analysis, type RunTask, type Thread } from './analysis.js'
import { threadName } from './chrome.js'
import { numberText } from './quantities.js'

const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

// All lengths are pixels.
const WIDTH = 1000
const LEFT = 158
const RIGHT = 24
const PLOT = WIDTH - LEFT - RIGHT
const HEAD = 64
const WAITING_HEIGHT = 72
const LANE_HEIGHT = 20
const LANE_STEP = 27
const AXIS_HEIGHT = 34
/** A slice narrower than this is drawn together with its neighbours. */
const NARROW = 1

const NS_PER_S = 1e9
const NS_PER_MS = 1e6

/** Longer tasks are darker. The last has no limit. */
const DURATIONS = [
  { belowMs: 10, label: 'under 10 ms', labelWidth: 72, color: '#7cc4c0' },
  { belowMs: 100, label: '10–100 ms', labelWidth: 66, color: '#3b93b8' },
  { belowMs: 1000, label: '0.1–1 s', labelWidth: 44, color: '#2f5d9b' },
  { belowMs: Infinity, label: 'over 1 s', labelWidth: 50, color: '#d9622b' },
]
const INK = '#1f2933'
const FAINT_INK = '#5f6c7b'
const PAPER = '#fbfaf7'
const RULE = '#e3e0d8'
const ONLINE = '#e4e9ee'
const ONLINE_EDGE = '#9aa8b5'
const WAITING = '#e0a93b'
const SUBMITTED = '#b98a24'

/** The picture of a run. */
export function timelineSvg(analysis: Analysis): string {
  const { tasks, threads, phases } = analysis
  const spanNs = Math.max(analysis.endNs, 1)
  const x = (ns: number): number => LEFT + (ns / spanNs) * PLOT
  const lanesTop = HEAD + WAITING_HEIGHT + 18
  const lanesBottom = lanesTop + threads.length * LANE_STEP
  const height = lanesBottom + AXIS_HEIGHT
  const workers = threads.filter(({ cpu }) => cpu !== 0).length
  const title =
    `compress-tree: ${numberText(tasks.length)} tasks on ${workers} worker threads, ` +
    `${(spanNs / NS_PER_S).toFixed(1)} s`

  const parts: string[] = [
    `<rect x=".5" y=".5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="${PAPER}" stroke="${RULE}"/>`,
    text(20, 28, title, 'font-size="15" font-weight="600"'),
    ...legend(),
  ]

  // Seconds, behind all else.
  const stepS = tickStep(spanNs / NS_PER_S)
  for (let second = 0; second * NS_PER_S <= spanNs; second += stepS) {
    const at = round(x(second * NS_PER_S))
    parts.push(
      `<path d="M${at} ${HEAD}V${lanesBottom}" stroke="${RULE}"/>`,
      text(
        at,
        lanesBottom + 18,
        `${Number(second.toFixed(1))} s`,
        `fill="${FAINT_INK}" text-anchor="middle"`,
      ),
    )
  }
  for (const { name, startNs, endNs } of phases) {
    const from = x(startNs)
    const room = x(endNs) - from
    parts.push(
      `<path d="M${round(from)} ${HEAD - 8}V${lanesBottom}" stroke="#b9b4a6" stroke-dasharray="2 3"/>`,
    )
    if (room > name.length * 5) parts.push(text(from + 5, HEAD + 3, name, `fill="${FAINT_INK}"`))
  }

  parts.push(...waitingArea(analysis, x))
  for (const [lane, thread] of threads.entries()) {
    const own = tasks.filter(hasRun).filter((task) => task.thread === thread)
    parts.push(...threadLane(thread, own, analysis, lanesTop + lane * LANE_STEP, x))
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `role="img" font-family="system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif" font-size="11.5" ` +
    `fill="${INK}">\n<title>${escaped(title)}</title>\n${parts.join('\n')}\n</svg>\n`
  )
}

/** How many tasks wait, as an area: the most in each pixel. */
function waitingArea({ tasks }: Analysis, x: (ns: number) => number): string[] {
  const most = Array.from({ length: PLOT + 1 }, () => 0)
  let column = 0
  let waiting = 0
  for (const { atNs, count } of waitingOverTime(tasks)) {
    const to = Math.floor(x(atNs) - LEFT)
    // What waited before waits in all pixels up to this one.
    for (; column < to; column += 1) most[column + 1] = waiting
    most[column] = Math.max(most[column], count)
    waiting = count
  }
  const peak = Math.max(1, ...most)
  const bottom = HEAD + WAITING_HEIGHT
  const y = (count: number): number => round(bottom - (count / peak) * (WAITING_HEIGHT - 14))
  let path = `M${LEFT} ${bottom}`
  let previous = 0
  for (const [pixel, count] of most.entries()) {
    if (count === previous) continue
    path += `H${LEFT + pixel}V${y(count)}`
    previous = count
  }
  path += `H${LEFT + PLOT}V${bottom}z`
  return [
    `<path d="${path}" fill="${WAITING}" fill-opacity=".55"/>`,
    `<path d="M${LEFT} ${bottom}h${PLOT}" stroke="${ONLINE_EDGE}"/>`,
    text(20, bottom - (WAITING_HEIGHT - 14) / 2 + 4, 'tasks waiting', 'font-weight="600"'),
    text(LEFT - 6, bottom - WAITING_HEIGHT + 18, String(peak), `fill="${FAINT_INK}" text-anchor="end"`),
    text(LEFT - 6, bottom, '0', `fill="${FAINT_INK}" text-anchor="end"`),
  ]
}

/** From when to when a thread was there, and what it did. */
function threadLane(
  thread: Thread,
  own: readonly RunTask[],
  { tasks }: Analysis,
  top: number,
  x: (ns: number) => number,
): string[] {
  const from = x(thread.onlineNs)
  const to = Math.max(x(thread.offlineNs), from + 2)
  const [cpu, name] = threadName(thread).split(' · ')
  const parts = [
    text(20, top + 14, cpu, 'font-weight="600"'),
    text(78, top + 14, name, `fill="${FAINT_INK}"`),
    `<rect x="${round(from)}" y="${top}" width="${round(to - from)}" height="${LANE_HEIGHT}" rx="2" fill="${ONLINE}"/>`,
  ]
  if (thread.cpu === 0) {
    const ticks = tasks
      .filter(({ submitNs }) => submitNs !== undefined)
      .map(({ submitNs }) => ({ from: x(submitNs as number), to: x(submitNs as number) + 0.5 }))
      .sort((a, b) => a.from - b.from)
    parts.push(`<path d="${slicesPath(ticks, top + 5, LANE_HEIGHT - 10)}" fill="${SUBMITTED}"/>`)
  } else {
    for (const [index, { belowMs, color }] of DURATIONS.entries()) {
      const aboveMs = index === 0 ? 0 : DURATIONS[index - 1].belowMs
      const slices = own
        .filter(({ startNs, endNs }) => {
          const ms = (endNs - startNs) / NS_PER_MS
          return ms >= aboveMs && ms < belowMs
        })
        .map(({ startNs, endNs }) => ({ from: x(startNs), to: x(endNs) }))
      if (slices.length > 0)
        parts.push(`<path d="${slicesPath(slices, top + 2, LANE_HEIGHT - 4)}" fill="${color}"/>`)
    }
  }
  parts.push(
    `<path d="M${round(from)} ${top - 2}v${LANE_HEIGHT + 4}M${round(to)} ${top - 2}v${LANE_HEIGHT + 4}" ` +
      `stroke="${ONLINE_EDGE}" stroke-width="1.5"/>`,
  )
  return parts
}

/** Rectangles in one path; narrow ones with no room between them become one. @param slices by start. */
function slicesPath(
  slices: readonly { from: number; to: number }[],
  top: number,
  laneHeight: number,
): string {
  let path = ''
  const draw = (from: number, to: number): void => {
    path += `M${round(from)} ${top}h${Math.max(round(to - from), 0.3)}v${laneHeight}h${-Math.max(round(to - from), 0.3)}z`
  }
  let pending: { from: number; to: number } | undefined
  for (const slice of slices) {
    const narrow = slice.to - slice.from < NARROW
    if (pending !== undefined && narrow && slice.from - pending.to < NARROW / 2) {
      pending.to = Math.max(pending.to, slice.to)
      continue
    }
    if (pending !== undefined) draw(pending.from, pending.to)
    pending = undefined
    if (narrow) pending = { ...slice }
    // A hair of space, so that one long task is not taken for two, nor two for one.
    else draw(slice.from, slice.to - 0.3)
  }
  if (pending !== undefined) draw(pending.from, pending.to)
  return path
}

function legend(): string[] {
  const parts = [text(20, 47, 'task ran', `fill="${FAINT_INK}"`)]
  let at = 74
  const entry = (swatch: string, label: string, labelWidth: number): void => {
    parts.push(
      `<g transform="translate(${at} 38)">${swatch}</g>`,
      text(at + 19, 47, label, `fill="${FAINT_INK}"`),
    )
    at += 19 + labelWidth + 16
  }
  for (const { label, labelWidth, color } of DURATIONS) {
    entry(`<rect width="14" height="10" fill="${color}"/>`, label, labelWidth)
  }
  at += 16
  entry(
    `<rect width="14" height="10" fill="${ONLINE}"/><path d="M0-1v12M14-1v12" stroke="${ONLINE_EDGE}" stroke-width="1.5"/>`,
    'thread online, idle',
    108,
  )
  entry(`<rect y="2" width="14" height="6" fill="${SUBMITTED}"/>`, 'tasks submitted', 90)
  return parts
}

/** 5 to 15 ticks. */
function tickStep(seconds: number): number {
  return [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300].find((step) => seconds / step <= 15) ?? 600
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function main(): void {
  let positionals: string[]
  try {
    ;({ positionals } = parseArgs({ allowPositionals: true }))
    if (positionals.length > 2) throw new TypeError(`${positionals.length} arguments, at most 2 are expected`)
  } catch (error) {
    console.error(`timeline: ${(error as Error).message}\nUsage: timeline.js [demo-output] [out.svg]`)
    process.exitCode = 2
    return
  }
  const [folder = join(PROJECT, 'demo-output'), out = join(folder, 'timeline.svg')] = positionals
  try {
    const svg = timelineSvg(analyse(openTrace(join(folder, 'trace')).records()))
    writeFileSync(out, svg)
    console.log(`${out}: ${numberText(svg.length)} bytes`)
  } catch (error) {
    console.error(`timeline: ${(error as Error).message}`)
    process.exitCode = 1
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main()
