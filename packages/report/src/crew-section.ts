/** Workers without a pool: who they are, and the messages between threads. */
import { numberText, type Crew, type Model, type Quantiles, type Route } from '@rchan/analysis'
import type { TraceThread } from '@rchan/ctf/reader'
import { headRow, numberCell, timeCell } from './cells.js'
import { html, type Markup } from './markup.js'
import { shortText } from './shown-text.js'

const ROUTES_SHOWN = 100
const CREWS_SHOWN = 50

/** Makes the section. Messages of pools are in those of the pools. */
export function crewSection({ crews, routes, processes }: Model): Markup {
  const told = routes.filter(({ isPools }) => !isPools)
  if (crews.length === 0 && told.length === 0) return html``
  const several = processes.length > 1
  const more = crews.length - CREWS_SHOWN
  return html`<section aria-labelledby="messages-head">
    <h2 id="messages-head">Messages</h2>
    ${crews.slice(0, CREWS_SHOWN).map((crew) => html`<p>${crewText(crew, several)}</p>`)}
    ${more > 0 ? html`<p class="faint">And workers of ${more} other files.</p>` : html``}
    ${routeTable(told, several)}
  </section>`
}

function crewText({ name, process, parent, workers, there, back }: Crew, several: boolean): string {
  const count = workers.length
  return (
    `${name === '' ? 'Workers' : shortText(name)}: ${count} ${count === 1 ? 'worker' : 'workers'} of ${endText(parent)}` +
    `${several ? ` of process ${process.pid}` : ''}, ${numberText(there.messages)} messages there, ` +
    `${numberText(back.messages)} back.`
  )
}

function routeTable(routes: readonly Route[], several: boolean): Markup {
  if (routes.length === 0) return html``
  const stages = ['posting', 'on its way', 'handling'].flatMap((stage) => [`${stage} p50`, 'p99'])
  const head = ['from', 'to', ...(several ? ['process'] : []), 'messages', ...stages, 'not received']
  const more = routes.length - ROUTES_SHOWN
  return html`<div class="wide">
      <table class="sortable" id="routes">
        ${headRow(head, (name) => name !== 'from' && name !== 'to')}
        <tbody>
          ${routes.slice(0, ROUTES_SHOWN).map(
            ({ from, to, messages, post, wait, handle, unhandled }) =>
              html`<tr>
                <th scope="row">${endText(from)}</th>
                <td>${endText(to)}</td>
                ${several ? html`<td class="n">${from.process.pid}</td>` : html``} ${numberCell(messages)}
                ${[post, wait, handle].map(quantileCells)} ${numberCell(unhandled)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${more > 0 ? html`<p class="faint">And ${more} more between other threads.</p>` : html``}`
}

function quantileCells({ count, p50, p99 }: Quantiles): Markup {
  const [half, most] = [p50, p99].map((value) => timeCell(count === 0 ? undefined : value))
  return html`${half}${most}`
}

function endText({ threadId, name }: TraceThread): string {
  return threadId === 0 ? 'main' : `${name === '' ? 'worker' : shortText(name)} ${threadId}`
}
