/** What is chosen, in words: its time, its fields, and of a task its stages. */
import { durationText } from '@rchan/analysis'
import type { Chosen } from './selection.js'
import type { Timeline } from './timeline.js'

const OUTCOMES = ['', 'failed', 'cut off']
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
  place.replaceChildren(...detailOf(timeline, chosen))
  // What nothing is chosen for must not lie over the rows.
  place.classList.toggle(
    'sticks',
    Object.values(chosen).some((each) => each >= 0),
  )
}

function detailOf(timeline: Timeline, { slice, task, event, thread }: Chosen): Node[] {
  if (task >= 0) return taskDetail(timeline, task, slice)
  if (slice >= 0) return sliceDetail(timeline, slice)
  if (event >= 0) return eventDetail(timeline, event)
  if (thread >= 0) {
    const { label, about } = timeline.data.threads[thread]
    return [element('p', 'claim', label), element('p', 'faint', about)]
  }
  return [element('p', 'faint', 'Click a span for its fields; a task shows its stages.')]
}

function whoText({ data }: Timeline, thread: number): string {
  const row = data.threads[thread]
  if (row === undefined) return 'unknown thread'
  const { pid } = data.processes[row.process]
  return data.processes.length > 1 ? `${row.label}, process ${pid}` : row.label
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
  add('to the worker', 'wake', at(tasks.dispatched), at(tasks.started))
  add('run', 'run', at(tasks.started), at(tasks.finished))
  add('result handled', 'reply', at(tasks.finished), at(tasks.handled))
  const run: Stage[] = [
    { name: 'on a CPU', className: 'on-cpu', ns: at(tasks.onCpu) },
    { name: 'waiting for a CPU', className: 'waiting', ns: at(tasks.waiting) },
    { name: 'garbage collection', className: 'gc', ns: at(tasks.gc) },
    { name: 'blocked', className: 'blocked', ns: at(tasks.blocked) },
  ].filter(({ ns }) => ns > 0)
  const name = names[tasks.name[task]]
  const parts = [
    names[tasks.pool[task]],
    `queued at ${durationText(at(tasks.queued))} by ${whoText(timeline, at(tasks.submitter))}`,
    ...(at(tasks.worker) < 0 ? [] : [`run by ${whoText(timeline, at(tasks.worker))}`]),
    ...(at(tasks.outcome) > 0 ? [OUTCOMES[at(tasks.outcome)]] : []),
  ]
  return [
    element('p', 'claim', name === '' ? 'task' : name),
    element('p', '', parts.join(' · ')),
    barOf(stages),
    ...(run.length > 0 ? [element('p', 'faint', 'The run is:'), barOf(run)] : []),
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
