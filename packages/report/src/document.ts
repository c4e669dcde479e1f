/**
 * The page around the timeline: findings, pools, threads and the slowest tasks as HTML, so that a
 * screen reader, a printer and a browser without scripts have them, too.
 */
import {
  durationText,
  evidenceText,
  numberText,
  type Finding,
  type Model,
  type Pool,
  type Quantiles,
  type Task,
  type ThreadUse,
} from '@rchan/analysis'
import { histogram } from './histogram.js'
import { html, Markup } from './markup.js'
import type { PageData } from './page-data.js'

/** What stands at the top of a page. */
export interface Head {
  readonly title: string
  /** Of the first record. */
  readonly recorded: Date
}

/** What the page's build has made: see `page-source`. */
export interface PageFiles {
  readonly script: string
  readonly style: string
}

const SLOWEST_SHOWN = 100
const SIGNS: Readonly<Record<Finding['severity'], string>> = { problem: '!', hint: '?', ok: '✓' }
const SEVERITIES: Readonly<Record<Finding['severity'], string>> = {
  problem: 'Problem: ',
  hint: 'Hint: ',
  ok: '',
}
const KEYS: readonly (readonly [string, string])[] = [
  ['w s', 'zoom'],
  ['a d', 'pan'],
  ['f', 'fit the selection, or all'],
  ['n p', 'next or previous span of the row'],
  ['Esc', 'no selection'],
]

/** Writes the page. @param packed what the script draws, as base64. */
export function pageText(head: Head, model: Model, data: PageData, packed: string, files: PageFiles): string {
  const base = model.from
  const at = (time: bigint): number => Number(time - base)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
        />
        <link rel="icon" href="data:," />
        <title>${head.title} – rchan</title>
        <style>
          ${new Markup(files.style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${head.title}</h1>
          <p class="faint">${aboutText(head, model, data)}</p>
        </header>
        <main>
          ${findingsPart(model, data, at)} ${timelinePart(data)}
          ${model.pools.map((pool, index) => poolPart(pool, index, model))} ${slowestPart(model, data, at)}
          ${threadsPart(model, data)}
        </main>
        <script type="application/octet-stream" id="data">
          ${packed}
        </script>
        <script type="module">
          ${new Markup(files.script)}
        </script>
      </body>
    </html> `.text
}

function aboutText(
  { recorded }: Head,
  { from, to, processes, threads, cpus }: Model,
  data: PageData,
): string {
  const counted = (count: number, one: string, many: string): string =>
    `${numberText(count)} ${count === 1 ? one : many}`
  return [
    `${recorded.toISOString().replace('T', ' ').slice(0, 19)} UTC`,
    durationText(Number(to - from)),
    counted(processes.length, 'process', 'processes'),
    counted(Math.max(threads.length, data.threads.length), 'thread', 'threads'),
    ...(cpus === undefined ? [] : [counted(cpus, 'CPU', 'CPUs')]),
    counted(data.slices.start.length + data.leftOut.count, 'span', 'spans'),
  ].join(' · ')
}

function findingsPart({ findings, losses }: Model, data: PageData, at: (time: bigint) => number): Markup {
  const lost =
    losses.events + losses.packets === 0
      ? html``
      : html`<p class="bad">
          ${numberText(losses.events)} events were
          lost${losses.packets > 0 ? `, and ${numberText(losses.packets)} packets are missing` : ''}: what is
          drawn is not all that happened. They are red in the timeline.
        </p>`
  if (findings.length === 0) return lost
  return html`<section aria-labelledby="findings-head">
    <h2 id="findings-head">Findings</h2>
    ${lost}
    <ul id="findings">
      ${findings.map(
        (finding) =>
          html`<li class="${finding.severity}">
            <span class="sign" aria-hidden="true">${SIGNS[finding.severity]}</span>
            <div>
              <p class="claim">
                <span class="unseen">${SEVERITIES[finding.severity]}</span
                >${linked(finding, data, at)}${finding.costNs > 0 ? html` <span class="cost">cost about ${durationText(finding.costNs)}</span>` : html``}
              </p>
              <p class="faint">
                ${finding.evidence.map((each) => `${each.label} ${evidenceText(each)}`).join(' · ')}
              </p>
              <p>${finding.advice}</p>
              ${finding.thin === undefined ? html`` : html`<p class="faint">The evidence is thin: ${finding.thin}</p>`}
            </div>
          </li>`,
      )}
    </ul>
  </section>`
}

/** A link into the timeline. The script reads it. */
function linked({ title, at: place }: Finding, data: PageData, at: (time: bigint) => number): Markup {
  if (place === undefined) return html`${title}`
  const { thread } = place
  const row =
    thread === undefined
      ? -1
      : data.threads.findIndex(
          ({ id, process }) => id === thread.threadId && data.processes[process].pid === thread.process.pid,
        )
  const target = [`from=${at(place.from)}`, `to=${at(place.to)}`, ...(row < 0 ? [] : [`thread=${row}`])].join(
    '&',
  )
  return html`<a href="#${target}">${title}</a>`
}

function timelinePart(data: PageData): Markup {
  return html`<section aria-labelledby="timeline-head">
    <h2 id="timeline-head">Timeline</h2>
    <div id="tools">
      <label
        >Search
        <input id="search" type="search" autocomplete="off" placeholder="name of a span, event or thread"
      /></label>
      <output id="matches"></output>
      <span id="buttons"
        ><button type="button" id="in" title="zoom in (w)">+</button
        ><button type="button" id="out" title="zoom out (s)">−</button
        ><button type="button" id="fit" title="fit the selection, or all (f)">fit</button></span
      >
      <span class="faint hint"
        >Wheel: zoom. Drag, or Shift and wheel:
        pan.${KEYS.map(([keys, what]) => html` ${keys.split(' ').map((key) => html`<kbd>${key}</kbd>`)} ${what}.`)}</span
      >
    </div>
    <div id="frame">
      <canvas
        id="timeline"
        tabindex="0"
        role="application"
        aria-roledescription="timeline"
        aria-label="Timeline of ${data.threads.length} threads. The tables below have the same in words."
        aria-describedby="detail"
      ></canvas>
    </div>
    <noscript><p>The timeline needs JavaScript. All tables are here without it.</p></noscript>
    <div id="detail" role="status"></div>
    ${legend()} ${leftOutPart(data)}
  </section>`
}

function legend(): Markup {
  const kinds: readonly (readonly [string, string])[] = [
    ['on-cpu', 'on a CPU'],
    ['waiting', 'waiting for a CPU'],
    ['gc', 'garbage collection'],
    ['stall', 'event loop stands still'],
    ['failed', 'failed'],
    ['cut', 'cut off'],
    ['lost', 'lost records'],
  ]
  return html`<p id="legend" class="faint">
    ${kinds.map(([name, what]) => html`<span><i class="${name}"></i>${what}</span> `)}
  </p>`
}

function leftOutPart({ leftOut }: PageData): Markup {
  const { count, shorterThan, sums, tooDeep, everyEvent, flows, tasks, charts, losses } = leftOut
  const lines = [
    ...(count > 0
      ? [
          `${numberText(count)} spans shorter than ${durationText(shorterThan)}: they are grey along the rows. Most time had ${sums
            .slice(0, 3)
            .map((sum) => `${sum.name} (${numberText(sum.count)} spans, ${durationText(sum.ns)})`)
            .join(', ')}.`,
        ]
      : []),
    ...(tooDeep > 0 ? [`${numberText(tooDeep)} spans that are in too many others.`] : []),
    ...(everyEvent > 1 ? [`All but every ${numberText(everyEvent)}th event.`] : []),
    ...(flows > 0 ? [`${numberText(flows)} points of flows.`] : []),
    ...(tasks > 0 ? [`The stages of ${numberText(tasks)} shorter tasks.`] : []),
    ...(charts > 0 ? [`Some counters: there are too many.`] : []),
    ...(losses > 0 ? [`${numberText(losses)} further gaps.`] : []),
  ]
  if (lines.length === 0) return html``
  return html`<p class="faint" id="left-out">
    Left out, to keep this page small: ${lines.join(' ')} All of it is in the recording.
  </p>`
}

function poolPart(pool: Pool, index: number, { processes }: Model): Markup {
  const { name, tasks, perSecond, threadsAtOnce, failed, cut, parts, run } = pool
  const several = processes.length > 1
  const rows: readonly (readonly [string, Quantiles])[] = [
    ['queued', pool.wait],
    ['to the worker', pool.wake],
    ['run', run],
    ['result handled', pool.reply],
  ]
  const figure = (title: string, { bins, p50, p99, count }: Quantiles): Markup =>
    count === 0
      ? html``
      : html`<figure>
          ${histogram(`${title}: half below ${durationText(p50)}, 99 % below ${durationText(p99)}`, bins, [
            { label: 'p50', at: p50 },
            { label: 'p99', at: p99 },
          ])}
          <figcaption>${title}</figcaption>
        </figure>`
  return html`<section aria-labelledby="pool-${index}">
    <h2 id="pool-${index}">
      ${name === '' ? 'Pool' : name}${several ? ` of process ${pool.process.pid}` : ''}
    </h2>
    <p>
      ${numberText(tasks)} ${tasks === 1 ? 'task' : 'tasks'}, ${numberText(perSecond)} a second,
      ${threadsAtOnce} ${threadsAtOnce === 1 ? 'thread' : 'threads'} at
      once${failed > 0 ? html`, <span class="bad">${numberText(failed)} failed</span>` : html``}${cut > 0 ? html`, <span class="bad">${numberText(cut)} without an end</span>` : html``}.
    </p>
    ${partsBar(parts, run.sum)}
    <div class="wide">
      <table>
        <thead>
          <tr>
            <th scope="col">stage</th>
            ${['p50', 'p90', 'p99', 'max'].map((each) => html`<th scope="col" class="n">${each}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ([label, quantiles]) =>
              html`<tr>
                <th scope="row">${label}</th>
                ${[quantiles.p50, quantiles.p90, quantiles.p99, quantiles.max].map(
                  (value) => html`<td class="n">${quantiles.count === 0 ? '–' : durationText(value)}</td>`,
                )}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <div class="figures">${figure('Time in the queue', pool.wait)}${figure('Run time', run)}</div>
  </section>`
}

/** What run times are made of, as a bar. */
function partsBar(parts: Pool['parts'], sum: number): Markup {
  const all: readonly (readonly [string, string, number])[] = [
    ['on-cpu', 'on a CPU', parts.onCpu],
    ['waiting', 'waiting for a CPU', parts.waitingForCpu],
    ['gc', 'garbage collection', parts.gc],
    ['blocked', 'blocked', parts.blocked],
    ['unknown', 'not known', parts.unknown],
  ]
  const shown = all.filter(([, , ns]) => ns >= 0.0005 * sum)
  if (sum === 0 || shown.length === 0) return html``
  const percent = (ns: number): string => ((ns / sum) * 100).toFixed(1)
  return html`<div class="parts">
    <span>Run time is</span>
    <div class="bar" aria-hidden="true">
      ${shown.map(
        ([name, , ns]) =>
          html`<i class="${name}" style="flex-grow:${Math.max(0.0005, ns / sum).toFixed(4)}"></i>`,
      )}
    </div>
    <span
      >${shown.map(([name, label, ns]) => html`<span class="part"><i class="${name}"></i>${label} ${percent(ns)} %</span> `)}</span
    >
  </div>`
}

function slowestPart({ pools, from }: Model, data: PageData, at: (time: bigint) => number): Markup {
  const slowest = pools
    .flatMap((pool) => pool.slowest)
    .map((task) => ({ task, ns: totalOf(task) }))
    .sort((a, b) => b.ns - a.ns)
    .slice(0, SLOWEST_SHOWN)
  if (slowest.length === 0) return longestPart(data)
  const place = placesOf(data)
  const head = [
    'task',
    'pool',
    'at',
    'worker',
    'queued',
    'to worker',
    'run',
    'result',
    'on CPU',
    'no CPU',
    'GC',
    'blocked',
    'end',
  ]
  return html`<section aria-labelledby="slowest-head">
    <h2 id="slowest-head">Slowest tasks</h2>
    <div class="wide">
      <table class="sortable" id="slowest">
        ${headRow(head, (name) => !['task', 'pool', 'end'].includes(name))}
        <tbody>
          ${slowest.map(({ task }) => {
            const { name, pool, worker, queued, dispatched, started, finished, handled, outcome } = task
            const known = place(at(queued), task)
            return html`<tr>
              <th scope="row">
                ${known < 0 ? html`${name === '' ? 'task' : name}` : html`<a href="#task=${known}">${name === '' ? 'task' : name}</a>`}
              </th>
              <td>${pool}</td>
              ${timeCell(Number(queued - from))}
              <td class="n">${worker === undefined ? '–' : worker.threadId}</td>
              ${between(queued, dispatched)}${between(dispatched, started)}${between(started, finished)}${between(finished, handled)}
              ${[task.onCpu, task.waitingForCpu, task.gc, task.blocked].map((ns) => timeCell(ns))}
              <td>${outcome === 'ok' ? '' : outcome}</td>
            </tr>`
          })}
        </tbody>
      </table>
    </div>
  </section>`
}

/** Without pools, the longest spans. */
function longestPart(data: PageData): Markup {
  const { start, duration, name, outcome } = data.slices
  const longest = [...duration.keys()].sort((a, b) => duration[b] - duration[a]).slice(0, SLOWEST_SHOWN)
  if (longest.length === 0) return html``
  const threads = new Map<number, number>()
  const laneOf = (slice: number): number =>
    data.lanes.find(({ first, count }) => slice >= first && slice < first + count)?.thread ?? -1
  for (const slice of longest) threads.set(slice, laneOf(slice))
  return html`<section aria-labelledby="slowest-head">
    <h2 id="slowest-head">Longest spans</h2>
    <div class="wide">
      <table class="sortable" id="slowest">
        ${headRow(['span', 'thread', 'at', 'duration', 'end'], (each) => ['at', 'duration'].includes(each))}
        <tbody>
          ${longest.map(
            (slice) =>
              html`<tr>
                <th scope="row"><a href="#slice=${slice}">${data.names[name[slice]]}</a></th>
                <td>${data.threads[threads.get(slice) ?? -1]?.label ?? ''}</td>
                ${timeCell(start[slice])}${timeCell(duration[slice])}
                <td>${['', 'failed', 'cut off'][outcome[slice]]}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`
}

function threadsPart({ threads, processes }: Model, data: PageData): Markup {
  if (threads.length === 0) return html``
  const several = processes.length > 1
  const head = [
    'thread',
    'id',
    ...(several ? ['process'] : []),
    'busy',
    'no CPU',
    'GC',
    'idle',
    'tasks',
    'stalled',
    'heap',
    'lost',
    'end',
  ]
  const percent = (part: number): Markup =>
    html`<td class="n" data-value="${part.toFixed(6)}">${(part * 100).toFixed(1)} %</td>`
  const rowOf = (use: ThreadUse): number =>
    data.threads.findIndex(
      ({ id, process }) =>
        id === use.thread.threadId && data.processes[process].pid === use.thread.process.pid,
    )
  return html`<section aria-labelledby="threads-head">
    <h2 id="threads-head">Threads</h2>
    <div class="wide">
      <table class="sortable" id="threads">
        ${headRow(head, (name) => !['thread', 'end'].includes(name))}
        <tbody>
          ${threads.map((use) => {
            const { thread, role, shares, tasks, stalls, heap, lost, error, exitCode } = use
            const label =
              thread.name !== '' ? thread.name : role === 'main' ? 'main' : `worker ${thread.threadId}`
            const end = error?.split('\n')[0] ?? ((exitCode ?? 0) > 1 ? `exit code ${exitCode}` : '')
            return html`<tr>
              <th scope="row"><a href="#thread=${rowOf(use)}">${label}</a></th>
              <td class="n" data-value="${thread.threadId}">${thread.threadId}</td>
              ${several ? html`<td class="n" data-value="${thread.process.pid}">${thread.process.pid}</td>` : html``}
              ${[shares.busy, shares.waitingForCpu, shares.gc, shares.idle].map(percent)}
              <td class="n" data-value="${tasks}">${numberText(tasks)}</td>
              ${timeCell(stalls.count === 0 ? undefined : stalls.ns)}
              <td class="n" data-value="${heap?.used ?? -1}">
                ${heap === undefined ? '–' : `${Math.round(heap.used / 2 ** 20)} of ${Math.round(heap.limit / 2 ** 20)} MiB`}
              </td>
              <td class="n" data-value="${lost}">${numberText(lost)}</td>
              <td>${end}</td>
            </tr>`
          })}
        </tbody>
      </table>
    </div>
  </section>`
}

function headRow(names: readonly string[], isNumber: (name: string) => boolean): Markup {
  return html`<thead>
    <tr>
      ${names.map((name) => html`<th scope="col" ${isNumber(name) ? html` class="n"` : html``}>${name}</th>`)}
    </tr>
  </thead>`
}

function timeCell(ns: number | undefined): Markup {
  return html`<td class="n" data-value="${ns ?? -1}">${ns === undefined ? '–' : durationText(ns)}</td>`
}

function between(start: bigint | undefined, end: bigint | undefined): Markup {
  return timeCell(start === undefined || end === undefined ? undefined : Number(end - start))
}

function totalOf({ queued, dispatched, finished, handled }: Task): number {
  return Number((handled ?? finished ?? dispatched ?? queued) - (dispatched ?? queued))
}

/** Finds the place of a task in the page's data. */
function placesOf({ tasks, threads, processes }: PageData): (queued: number, task: Task) => number {
  const places = new Map<string, number>()
  for (let place = 0; place < tasks.queued.length; place += 1) {
    const row = threads[tasks.submitter[place]]
    places.set(`${processes[row?.process]?.pid} ${tasks.queued[place]}`, place)
  }
  return (queued, { submitter }) => places.get(`${submitter.process.pid} ${queued}`) ?? -1
}
