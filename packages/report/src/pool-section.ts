/** A pool: how long its tasks were queued and ran, and what their run time is made of. */
import {
  durationText,
  numberText,
  placesText,
  shownParts,
  stagesOf,
  type Model,
  type Pool,
  type Quantiles,
} from '@rchan/analysis'
import { histogram } from './histogram.js'
import { html, type Markup } from './markup.js'
import { shortText } from './shown-text.js'

/** More make a browser slow. */
const POOLS_SHOWN = 50
/** By which each part has its colour. */
const CLASSES = {
  onCpu: 'on-cpu',
  waitingForCpu: 'waiting',
  gc: 'gc',
  blocked: 'blocked',
  unknown: 'unknown',
} as const

/** Makes a section for each pool, those that had most tasks first if there are too many. */
export function poolSections(model: Model): Markup {
  const { pools } = model
  const more = pools.length - POOLS_SHOWN
  if (more <= 0) return html`${pools.map((pool, index) => poolSection(pool, index, model))}`
  const sorted = pools.toSorted((a, b) => b.tasks - a.tasks)
  const tasks = sorted.slice(POOLS_SHOWN).reduce((sum, pool) => sum + pool.tasks, 0)
  return html`${sorted.slice(0, POOLS_SHOWN).map((pool, index) => poolSection(pool, index, model))}
    <p class="faint">And ${more} more ${more === 1 ? 'pool' : 'pools'}, with ${numberText(tasks)} tasks.</p>`
}

/** @param index its number on the page. */
function poolSection(pool: Pool, index: number, { processes }: Model): Markup {
  const { name, tasks, perSecond, failed, cut, run } = pool
  const several = processes.length > 1
  const rows = stagesOf(pool)
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
      ${name === '' ? 'Pool' : shortText(name)}${several ? ` of process ${pool.process.pid}` : ''}
    </h2>
    <p>
      ${numberText(tasks)} ${tasks === 1 ? 'task' : 'tasks'}, ${numberText(perSecond)} a second,
      ${placesText(pool)}${failed > 0 ? html`, <span class="bad">${numberText(failed)} failed</span>` : html``}${cut > 0 ? html`, <span class="bad">${numberText(cut)} without an end</span>` : html``}.
    </p>
    ${partsBar(pool)}
    <div class="figures">
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
      ${figure('Time in the queue', pool.wait)}${figure('Run time', run)}${figure('Time in a process', pool.unseen)}
    </div>
  </section>`
}

/** What run times are made of, as a bar. */
function partsBar({ parts: all, run }: Pool): Markup {
  const { verb, parts, error } = shownParts(all, run.sum)
  if (parts.length === 0) return html``
  return html`<div class="parts">
    <span>Run time ${verb}</span>
    <div class="bar" aria-hidden="true">
      ${parts.map(
        ({ key, share }) =>
          html`<i class="${CLASSES[key]}" style="flex-grow:${Math.max(0.0005, share).toFixed(4)}"></i>`,
      )}
    </div>
    <span
      >${parts.map(({ key, text }) => html`<span class="part"><i class="${CLASSES[key]}"></i>${text}</span> `)}${error === '' ? html`` : html`<span class="part faint">${error}</span>`}</span
    >
  </div>`
}
