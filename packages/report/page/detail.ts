/** What is chosen, in words: its time, its fields, and of a task its stages. */
import { durationText, quantityText } from '@rchan/analysis'
import type { Chosen } from './selection.js'
import type { Timeline } from './timeline.js'

const OUTCOMES = ['', 'failed', 'cut off']
const ENDS = ['', 'failed', 'without an end']
const MOST_WAYS = 1000

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
    return [element('p', 'claim', label), element('p', 'faint', about)]
  }
  const isEmpty = timeline.data.threads.length === 0
  const hint = isEmpty ? 'Nothing was recorded.' : 'Click a span for its fields; a task shows its stages.'
  return [element('p', 'faint', hint)]
}

function whoText({ data }: Timeline, thread: number): string {
  const row = data.threads[thread]
  if (row === undefined) return 'unknown thread'
  const { pid } = data.processes[row.process]
  const name = row.id === 0 || row.label === `worker ${row.id}` ? row.label : `${row.label} #${row.id}`
  return data.processes.length > 1 ? `${name}, process ${pid}` : name
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
