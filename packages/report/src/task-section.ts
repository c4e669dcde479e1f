/** The slowest tasks with their stages; without a pool, the longest spans. */
import type { Model, Task } from '@rchan/analysis'
import { between, headRow, timeCell } from './cells.js'
import { html, type Markup } from './markup.js'
import type { PageData } from './page-data.js'
import { nameOfRow, shortText } from './shown-text.js'

const SLOWEST_SHOWN = 50
const LONGEST_SHOWN = 15
/** By this column the table is sorted. */
const TOTAL = 'total'
/** Characters of a task's arguments in the table. */
const ARGUMENTS_SHOWN = 60
const ENDS: Readonly<Record<Task['outcome'], string>> = { ok: '', failed: 'failed', cut: 'no end' }

export function slowestSection({ pools, from }: Model, data: PageData): Markup {
  const slowest = pools
    .flatMap((pool) => pool.slowest)
    .map((task) => ({ task, ns: totalOf(task) }))
    .sort((a, b) => b.ns - a.ns)
    .slice(0, SLOWEST_SHOWN)
  if (slowest.length === 0) return longestSection(data)
  const place = placesOf(data)
  const hasEnd = slowest.some(({ task }) => task.outcome !== 'ok')
  const several = pools.length > 1
  const hasArguments = slowest.some(({ task }) => task.arguments !== undefined)
  const head = [
    'task',
    ...(hasArguments ? ['arguments'] : []),
    ...(several ? ['pool'] : []),
    'at',
    'worker',
    'queued',
    TOTAL,
    'to worker',
    'run',
    'result',
    'on a CPU',
    'waiting for a CPU',
    'GC',
    'blocked',
    ...(hasEnd ? ['end'] : []),
  ]
  return html`<section aria-labelledby="slowest-head">
    <h2 id="slowest-head">Slowest tasks</h2>
    <p class="faint">Total: from dispatch until the result was handled.</p>
    <div class="wide">
      <table class="sortable" id="slowest">
        ${headRow(head, (name) => !['task', 'arguments', 'pool', 'end'].includes(name), TOTAL)}
        <tbody>
          ${slowest.map(({ task, ns }) => {
            const { id, name, pool, worker, queued, dispatched, started, finished, handled, outcome } = task
            const known = place(task)
            const label = `${name === '' ? 'task' : shortText(name)} #${id}`
            return html`<tr>
              <th scope="row">${known < 0 ? html`${label}` : html`<a href="#task=${known}">${label}</a>`}</th>
              ${hasArguments ? html`<td class="given">${shortText(task.arguments ?? '', ARGUMENTS_SHOWN)}</td>` : html``}
              ${several ? html`<td>${shortText(pool)}</td>` : html``} ${timeCell(Number(queued - from))}
              <td class="n">${worker === undefined ? '–' : worker.threadId}</td>
              ${between(queued, dispatched)}${timeCell(ns)}${between(dispatched, started)}${between(started, finished)}${between(finished, handled)}
              ${[task.onCpu, task.waitingForCpu, task.gc, task.blocked].map((part) => timeCell(part))}
              ${hasEnd ? html`<td>${ENDS[outcome]}</td>` : html``}
            </tr>`
          })}
        </tbody>
      </table>
    </div>
  </section>`
}

/** Without pools, the longest spans. */
function longestSection(data: PageData): Markup {
  const { start, duration, name, outcome } = data.slices
  const longest = [...duration.keys()].sort((a, b) => duration[b] - duration[a]).slice(0, LONGEST_SHOWN)
  if (longest.length === 0) return html``
  const threads = new Map<number, number>()
  const laneOf = (slice: number): number =>
    data.lanes.find(({ first, count }) => slice >= first && slice < first + count)?.thread ?? -1
  for (const slice of longest) threads.set(slice, laneOf(slice))
  const several = data.processes.length > 1
  const hasEnd = longest.some((slice) => outcome[slice] > 0)
  const head = [
    'span',
    'thread',
    ...(several ? ['process'] : []),
    'at',
    'duration',
    ...(hasEnd ? ['end'] : []),
  ]
  return html`<section aria-labelledby="slowest-head">
    <h2 id="slowest-head">Longest spans</h2>
    <div class="wide">
      <table class="sortable" id="slowest">
        ${headRow(head, (each) => ['process', 'at', 'duration'].includes(each), 'duration')}
        <tbody>
          ${longest.map((slice) => {
            const thread = data.threads[threads.get(slice) ?? -1]
            const pid = data.processes[thread?.process]?.pid ?? -1
            return html`<tr>
              <th scope="row"><a href="#slice=${slice}">${data.names[name[slice]]}</a></th>
              <td>${thread === undefined ? '' : nameOfRow(thread)}</td>
              ${several ? html`<td class="n" data-value="${pid}">${pid}</td>` : html``}
              ${timeCell(start[slice])}${timeCell(duration[slice])}
              ${hasEnd ? html`<td>${['', 'failed', 'cut off'][outcome[slice]]}</td>` : html``}
            </tr>`
          })}
        </tbody>
      </table>
    </div>
  </section>`
}

function totalOf({ queued, dispatched, finished, handled }: Task): number {
  return Number((handled ?? finished ?? dispatched ?? queued) - (dispatched ?? queued))
}

/** Finds the place of a task in the page's data; −1 if it is not there. */
function placesOf({ tasks, threads, processes }: PageData): (task: Task) => number {
  const places = new Map<string, number>()
  for (const [place, id] of tasks.id.entries()) {
    const row = threads[tasks.submitter[place]]
    places.set(`${processes[row?.process]?.index} ${id}`, place)
  }
  return ({ id, submitter }) => places.get(`${submitter.process.index} ${id}`) ?? -1
}
