/** What is chosen, in words: its time, its fields, and of a task its stages. */
import { durationText, quantityText } from '@rchan/analysis'
import { nameOfRow } from '../src/shown-text.js'
import { nameSums, threadSums, type NameSum, type Range, type ThreadSum } from './range.js'
import type { Chosen } from './selection.js'
import type { Timeline } from './timeline.js'

const OUTCOMES = ['', 'failed', 'cut off']
const ENDS = ['', 'failed', 'without an end']
const MOST_WAYS = 1000
/** Rows of a table of sums. */
const SUMS_SHOWN = 8

/** Makes an element. */
function element(name: string, className: string, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(name)
  if (className !== '') made.className = className
  made.append(...children)
  return made
}

/** Shows what is chosen. */
export function showDetail(place: HTMLElement, timeline: Timeline, chosen: Chosen): void {
  const isAny = Object.values(chosen).some((each) => each >= 0)
  show(place, detailOf(timeline, chosen), isAny)
}

/** Shows what a finding says, beside the place to which it leads. */
export function showFinding(place: HTMLElement, finding: Element): void {
  const parts = [...finding.querySelectorAll('p')].map((each) => each.cloneNode(true) as HTMLElement)
  // A link to where it is already says nothing.
  for (const link of parts[0].querySelectorAll('a')) link.replaceWith(...link.childNodes)
  show(place, parts, true)
}

/** Shows what threads did in a part of the time. */
export function showRange(place: HTMLElement, timeline: Timeline, range: Range): void {
  const { from, to } = range
  const threads = threadSums(timeline, range)
  const working = threads.reduce((sum, { onCpu }) => sum + onCpu, 0) / (to - from)
  const parts = [
    `from ${durationText(from)} to ${durationText(to)}`,
    ...(working > 0 ? [`${quantityText(Number(working.toFixed(2)))} CPUs in use`] : []),
  ]
  show(
    place,
    [
      element('p', 'claim', `${durationText(to - from)} marked`),
      element('p', '', parts.join(' · ')),
      element(
        'div',
        'sums',
        threadTable(timeline, range, threads),
        nameTable(timeline, nameSums(timeline, range)),
      ),
    ],
    true,
  )
}

/** @param sticks whether it stays at the foot of the window, over the rows. */
function show(place: HTMLElement, parts: readonly Node[], sticks: boolean): void {
  place.replaceChildren(...parts)
  place.classList.toggle('sticks', sticks)
}

function detailOf(timeline: Timeline, { slice, task, event, thread }: Chosen): Node[] {
  if (task >= 0) return taskDetail(timeline, task, slice)
  if (slice >= 0) return sliceDetail(timeline, slice)
  if (event >= 0) return eventDetail(timeline, event)
  if (thread >= 0) {
    const { label, about } = timeline.data.threads[thread]
    const sums = nameSums(timeline, { from: -Infinity, to: Infinity }, thread)
    return [
      element('p', 'claim', label),
      element('p', 'faint', about),
      ...(sums.length === 0 ? [] : [element('div', 'sums', nameTable(timeline, sums))]),
    ]
  }
  const isEmpty = timeline.data.threads.length === 0
  const hint = isEmpty
    ? 'Nothing was recorded.'
    : 'Click a span for its fields; a task shows its stages. Drag along the time axis to sum up a part of the time.'
  return [element('p', 'faint', hint)]
}

function whoText({ data }: Timeline, thread: number): string {
  const row = data.threads[thread]
  if (row === undefined) return 'unknown thread'
  const { pid } = data.processes[row.process]
  return data.processes.length > 1 ? `${nameOfRow(row)}, process ${pid}` : nameOfRow(row)
}

function fieldsOf({ data }: Timeline, text: number): Node[] {
  return text < 0 ? [] : [element('pre', 'fields', data.texts[text])]
}

function sliceDetail(timeline: Timeline, slice: number): Node[] {
  const { data, ends } = timeline
  const { start, name, outcome, text } = data.slices
  const { thread, isAsync } = timeline.laneOf(slice)
  const ways = timeline.waysIn(thread, start[slice], ends[slice], MOST_WAYS).length
  const parts = [
    durationText(ends[slice] - start[slice]),
    `at ${durationText(start[slice])}`,
    `${isAsync ? 'begun by' : 'on'} ${whoText(timeline, thread)}`,
    ...(outcome[slice] > 0 ? [OUTCOMES[outcome[slice]]] : []),
    ...(ways > 0 ? [`${ways} ${ways === 1 ? 'way' : 'ways'} to other threads`] : []),
  ]
  return [
    element('p', 'claim', data.names[name[slice]]),
    element('p', '', parts.join(' · ')),
    ...fieldsOf(timeline, text[slice]),
  ]
}

function eventDetail(timeline: Timeline, event: number): Node[] {
  const { time, thread, name, text } = timeline.data.events
  return [
    element('p', 'claim', timeline.data.names[name[event]]),
    element('p', '', `at ${durationText(time[event])} · on ${whoText(timeline, thread[event])}`),
    ...fieldsOf(timeline, text[event]),
  ]
}

interface Stage {
  readonly name: string
  readonly className: string
  readonly ns: number
}

function taskDetail(timeline: Timeline, task: number, slice: number): Node[] {
  const { tasks, names } = timeline.data
  const at = (stage: Float64Array): number => stage[task]
  const stages: Stage[] = []
  const add = (name: string, className: string, from: number, to: number): void => {
    if (from >= 0 && to >= 0) stages.push({ name, className, ns: to - from })
  }
  add('in the queue', 'queued', 0, at(tasks.dispatched))
  const [started, finished, handled] = [at(tasks.started), at(tasks.finished), at(tasks.handled)]
  const woken = at(tasks.woken) < 0 ? started : at(tasks.woken)
  // The other thread may have handled it before posting came back.
  const replied = at(tasks.replied) < 0 ? finished : Math.min(at(tasks.replied), Math.max(handled, finished))
  add('to the worker', 'wake', at(tasks.dispatched), woken)
  if (woken < started) add('its message read', 'read', woken, started)
  add('run', 'run', started, finished)
  if (replied > finished) add('result posted', 'post', finished, replied)
  add('result handled', 'reply', replied, handled)
  const isKnown = at(tasks.onCpu) >= 0
  const run: Stage[] = [
    { name: 'on a CPU', className: 'on-cpu', ns: at(tasks.onCpu) },
    { name: 'waiting for a CPU', className: 'waiting', ns: at(tasks.waiting) },
    { name: 'garbage collection', className: 'gc', ns: at(tasks.gc) },
    { name: 'blocked', className: 'blocked', ns: at(tasks.blocked) },
    // Of a short task nothing is known but its collections.
    { name: 'not known', className: 'unknown', ns: isKnown ? 0 : finished - started - at(tasks.gc) },
  ].filter(({ ns }) => ns > 0)
  const name = names[tasks.name[task]]
  const parts = [
    `task ${at(tasks.id)} of ${names[tasks.pool[task]] || 'a pool'}`,
    `queued at ${durationText(at(tasks.queued))} by ${whoText(timeline, at(tasks.submitter))}`,
    ...(at(tasks.worker) < 0 ? [] : [`run by ${whoText(timeline, at(tasks.worker))}`]),
    ...(at(tasks.size) < 0 ? [] : [`${quantityText(at(tasks.size), 'bytes')} sent`]),
    ...(at(tasks.outcome) > 0 ? [ENDS[at(tasks.outcome)]] : []),
  ]
  return [
    element('p', 'claim', name === '' ? 'task' : name),
    element('p', '', parts.join(' · ')),
    ...fieldsOf(timeline, at(tasks.given)),
    barOf(stages),
    ...(isKnown || at(tasks.gc) > 0
      ? [element('p', 'faint', at(tasks.estimated) > 0 ? 'The run is about:' : 'The run is:'), barOf(run)]
      : []),
    ...(at(tasks.started) < 0
      ? [element('p', 'faint', 'The recording does not have its run.')]
      : slice < 0
        ? [element('p', 'faint', 'Its run is too short to be drawn.')]
        : []),
  ]
}

/** Parts of a time: a bar, and what each is. */
function barOf(stages: readonly Stage[]): Node {
  const bar = element('div', 'bar')
  bar.setAttribute('aria-hidden', 'true')
  const words = element('span', '')
  const sum = stages.reduce((all, { ns }) => all + ns, 0)
  for (const { name, className, ns } of stages) {
    const part = element('i', className)
    part.style.flexGrow = String(Math.max(0.002, ns / Math.max(1, sum)))
    bar.append(part)
    words.append(element('span', 'part', element('i', className), `${name} ${durationText(ns)}`), ' ')
  }
  return element('div', 'parts', bar, words)
}

/** A table of sums, the first so many of them: a name, and numbers. */
function tableOf(
  heads: readonly string[],
  rows: readonly (readonly (Node | string)[])[],
  what: string,
): Node {
  const cells = (tag: string, row: readonly (Node | string)[]): HTMLElement[] =>
    row.map((cell, column) => {
      const made = element(column === 0 ? 'th' : tag, column === 0 ? '' : 'n', cell)
      if (tag === 'th' || column === 0) made.setAttribute('scope', tag === 'th' ? 'col' : 'row')
      return made
    })
  const table = element(
    'table',
    '',
    element('thead', '', element('tr', '', ...cells('th', heads))),
    element('tbody', '', ...rows.slice(0, SUMS_SHOWN).map((row) => element('tr', '', ...cells('td', row)))),
  )
  const more = rows.length - SUMS_SHOWN
  const rest = more > 0 ? [element('p', 'faint', `And ${quantityText(more)} more ${what}.`)] : []
  return element('div', 'wide', table, ...rest)
}

function threadTable(timeline: Timeline, { from, to }: Range, sums: readonly ThreadSum[]): Node {
  const part = (ns: number, all: number): string =>
    all <= 0 ? '–' : ns === 0 ? '0' : `${durationText(ns)} · ${Math.round((ns / all) * 100)} %`
  const rows = sums.map(({ thread, known, onCpu, waiting, gc, spans }) => [
    whoText(timeline, thread),
    part(onCpu, known),
    part(waiting, known),
    part(gc, to - from),
    part(spans, to - from),
  ])
  return tableOf(['thread', 'on a CPU', 'waiting for a CPU', 'GC', 'in spans'], rows, 'threads')
}

function nameTable({ data }: Timeline, sums: readonly NameSum[]): Node {
  const rows = sums.map(({ name, count, ns, longest }) => {
    const link = element('a', '', durationText(data.slices.duration[longest]))
    link.setAttribute('href', `#slice=${longest}`)
    return [data.names[name], quantityText(count), durationText(ns), link]
  })
  return tableOf(['span', 'count', 'sum', 'longest'], rows, 'names')
}
