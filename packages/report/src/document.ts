/**
 * The page around the timeline: findings, pools, threads and the slowest tasks as HTML, so that a
 * screen reader, a printer and a browser without scripts have them, too.
 */
import { costText, durationText, evidenceText, numberText, type Finding, type Model } from '@rchan/analysis'
import { crewSection } from './crew-section.js'
import { functionSection } from './function-section.js'
import { html, Markup } from './markup.js'
import type { PageData } from './page-data.js'
import { poolSections } from './pool-section.js'
import { shortText } from './shown-text.js'
import { stallSection } from './stall-section.js'
import { spanSection } from './span-section.js'
import { slowestSection } from './task-section.js'
import { threadRowOf, threadSection } from './thread-section.js'

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

const SIGNS: Readonly<Record<Finding['severity'], string>> = { problem: '!', hint: '?', ok: '✓' }
const SEVERITIES: Readonly<Record<Finding['severity'], string>> = {
  problem: 'Problem: ',
  hint: 'Hint: ',
  ok: '',
}
const LONGEST_TITLE = 500
const FINDINGS_SHOWN = 50
const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['w s', 'zoom in and out; also + and −, or Ctrl and the wheel, or two fingers'],
  ['a d', 'to the left and to the right; also drag, or Shift and the wheel'],
  ['f', 'fit what is chosen or marked; again: all. A double-click does so, too'],
  ['m', 'mark the time of what is chosen; also drag along the time axis, or with Shift anywhere'],
  ['n p', 'next and previous span of the lane'],
  ['j k', 'lane below and above'],
  ['/', 'search; Enter: next, Shift and Enter: previous'],
  ['Esc', 'choose and mark nothing'],
  ['?', 'this list'],
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
        <title>${shortText(head.title)} – rchan</title>
        <style>
          ${new Markup(files.style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${shortText(head.title, LONGEST_TITLE)}</h1>
          <p class="faint">${aboutText(head, model, data)}</p>
        </header>
        <main>
          ${findingsPart(model, data, at)} ${timelinePart(data)} ${poolSections(model)} ${crewSection(model)}
          ${model.pools.length > 0 ? slowestSection(model, data) : html``}
          <div class="beside">
            ${stallSection(model, data)}${spanSection(data)}${model.pools.length > 0 ? html`` : slowestSection(model, data)}
          </div>
          ${functionSection(model)} ${threadSection(model, data)}
        </main>
        <script type="application/octet-stream" id="data">
          ${new Markup(packed)}
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
    counted(Math.max(processes.length, data.processes.length), 'process', 'processes'),
    counted(Math.max(threads.length, data.threads.length), 'thread', 'threads'),
    ...(cpus === undefined ? [] : [counted(cpus, 'CPU', 'CPUs')]),
    counted(data.slices.start.length + data.leftOut.count, 'span', 'spans'),
  ].join(' · ')
}

function findingsPart(
  { findings, losses, pools, crews }: Model,
  data: PageData,
  at: (time: bigint) => number,
): Markup {
  const lost =
    losses.events + losses.packets === 0
      ? html``
      : html`<p class="bad">
          ${lostText(losses)}: what is drawn is not all that happened. Where they are missing, the timeline is
          red.
        </p>`
  if (findings.length === 0) {
    const isJudged = pools.length + crews.length > 0
    return html`<section aria-labelledby="findings-head">
      <h2 id="findings-head">Findings</h2>
      ${lost}
      <p class="faint">
        ${isJudged ? 'None: of its pools and workers there is too little in this recording.' : 'None. Without pools and workers only the main thread is judged: its stalls, its garbage, whether it is busy alone.'}
      </p>
    </section>`
  }
  const more = findings.length - FINDINGS_SHOWN
  return html`<section aria-labelledby="findings-head">
    <h2 id="findings-head">Findings</h2>
    ${lost}
    <ul id="findings">
      ${findings.slice(0, FINDINGS_SHOWN).map(
        (finding, index) =>
          html`<li class="${finding.severity}">
            <span class="sign" aria-hidden="true">${SIGNS[finding.severity]}</span>
            <div>
              <p class="claim">
                <span class="unseen">${SEVERITIES[finding.severity]}</span
                >${linked(finding, index, data, at)}${finding.costNs > 0 ? html` <span class="cost">It ${costText(finding)}.</span>` : html``}
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
    ${more > 0 ? html`<p class="faint">And ${more} more, which cost less.</p>` : html``}
  </section>`
}

function lostText({ events, packets }: Model['losses']): string {
  const parts = [
    ...(events > 0 ? [`${numberText(events)} ${events === 1 ? 'event was' : 'events were'} lost`] : []),
    ...(packets > 0 ? [`${numberText(packets)} ${packets === 1 ? 'packet is' : 'packets are'} missing`] : []),
  ]
  return parts.join(', and ')
}

/** A link into the timeline. The script reads it. */
function linked(
  { title, at: place }: Finding,
  index: number,
  data: PageData,
  at: (time: bigint) => number,
): Markup {
  if (place === undefined) return html`${title}`
  const { thread } = place
  const row = thread === undefined ? -1 : threadRowOf(data, thread)
  const target = [
    `finding=${index}`,
    `from=${at(place.from)}`,
    `to=${at(place.to)}`,
    ...(row < 0 ? [] : [`thread=${row}`]),
  ].join('&')
  return html`<a href="#${target}">${title}</a>`
}

function timelinePart(data: PageData): Markup {
  return html`<section aria-labelledby="timeline-head">
    <h2 id="timeline-head">Timeline</h2>
    <div id="tools">
      <label
        >Search <input id="search" type="search" autocomplete="off" placeholder="span, event or thread"
      /></label>
      <output id="matches"></output>
      <span id="steps" class="buttons" hidden
        ><button type="button" id="previous" title="previous (Shift and Enter)" aria-label="previous">
          ‹</button
        ><button type="button" id="next" title="next (Enter)" aria-label="next">›</button></span
      >
      <span class="buttons"
        ><button type="button" id="in" title="zoom in (w)" aria-label="zoom in">+</button
        ><button type="button" id="out" title="zoom out (s)" aria-label="zoom out">−</button
        ><button type="button" id="fit" title="fit what is chosen or marked, or all (f)">fit</button
        ><button type="button" id="help" title="keys (?)" aria-label="keys">?</button></span
      >
      <span class="faint hint" id="hint"
        >${keysOf('w s')} zoom, ${keysOf('a d')} pan, ${keysOf('f')} fit; drag along the time axis: sum up a
        part of the time; ${keysOf('?')} all keys</span
      >
    </div>
    <dialog id="keys" aria-labelledby="keys-head">
      <h2 id="keys-head">Keys and pointer</h2>
      <dl>
        ${KEYS.map(
          ([keys, what]) =>
            html`<dt>${keysOf(keys)}</dt>
              <dd>${what}</dd>`,
        )}
      </dl>
      <form method="dialog"><button>close</button></form>
    </dialog>
    <div id="frame">
      <canvas
        id="timeline"
        tabindex="0"
        role="application"
        aria-roledescription="timeline"
        aria-label="Timeline of ${data.threads.length} threads. The tables below have the same in words."
        aria-describedby="hint"
      ></canvas>
    </div>
    <p id="unprinted" class="faint"></p>
    <noscript>
      <style>
        #tools,
        #frame {
          display: none;
        }
      </style>
    </noscript>
    <div id="detail" role="status">
      The timeline needs JavaScript, and a browser of 2023 or later. All tables are here without it.
    </div>
    ${legend(data)} ${leftOutPart(data)}
  </section>`
}

function keysOf(keys: string): Markup {
  return html`${keys.split(' ').map((key) => html`<kbd>${key}</kbd>`)}`
}

/** What colours and marks mean, of those that are there. The script adds those of names. */
function legend({ threads, slices, names, stalls, losses, events, from, to }: PageData): Markup {
  const has = (column: Float64Array, value: number): boolean => column.includes(value)
  const kinds: readonly (readonly [string, string, boolean])[] = [
    ['on-cpu', 'on a CPU', threads.some(({ cpu }) => cpu.onCpu.some((part) => part > 0))],
    ['waiting', 'waiting for a CPU', threads.some(({ cpu }) => cpu.waiting.some((part) => part > 0))],
    ['gc', 'garbage collection', has(slices.name, names.indexOf('gc'))],
    ['stall', 'event loop stands still', stalls.from.length > 0],
    ['failed', 'failed', has(slices.outcome, 1)],
    ['cut', 'cut off', has(slices.outcome, 2)],
    ['lost', 'lost records', losses.length > 0],
    ['event', 'event', events.time.length > 0],
    ['density', 'shorter spans, left out', threads.some(({ density }) => density.length > 0)],
    ['away', 'thread not there', threads.some((thread) => thread.from > from || thread.to < to)],
  ]
  return html`<p id="legend" class="faint">
    ${kinds.map(([name, what, isThere]) => (isThere ? html`<span><i class="${name}"></i>${what}</span> ` : html``))}
  </p>`
}

function leftOutPart({ leftOut }: PageData): Markup {
  const {
    count,
    shorterThan,
    sums,
    tooDeep,
    farAway,
    everyEvent,
    flows,
    tasks,
    counterValues,
    losses,
    stalls,
  } = leftOut
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
    ...(farAway > 0
      ? [
          farAway === 1
            ? '1 span or event whose own time is long before or after the recording.'
            : `${numberText(farAway)} spans and events whose own time is long before or after the recording.`,
        ]
      : []),
    ...(everyEvent > 1 ? [`All but every ${numberText(everyEvent)}th event.`] : []),
    ...(flows > 0 ? [`${numberText(flows)} points of flows.`] : []),
    ...(tasks > 0 ? [`The stages of ${numberText(tasks)} shorter tasks.`] : []),
    ...(counterValues > 0 ? [`${numberText(counterValues)} values of further counters.`] : []),
    ...(losses > 0 ? [`${numberText(losses)} further gaps.`] : []),
    ...(stalls > 0 ? [`${numberText(stalls)} further stalls.`] : []),
  ]
  if (lines.length === 0) return html``
  return html`<p class="faint" id="left-out">
    Left out, to keep this page small: ${lines.join(' ')} All of it is in the recording.
  </p>`
}
