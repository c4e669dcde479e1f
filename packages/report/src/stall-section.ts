/** The longest stalls of event loops, each a link to what happened in it. */
import { durationText, type Model } from '@rchan/analysis'
import { headRow, timeCell } from './cells.js'
import { html, type Markup } from './markup.js'
import type { PageData } from './page-data.js'
import { nameOfRow } from './shown-text.js'
import { threadRowOf } from './thread-section.js'

const STALLS_SHOWN = 15

/** Makes the section. */
export function stallSection({ stalls, from, processes }: Model, data: PageData): Markup {
  if (stalls.length === 0) return html``
  const longest = stalls
    .map((stall) => ({ ...stall, ns: Number(stall.to - stall.from), row: threadRowOf(data, stall.thread) }))
    .sort((a, b) => b.ns - a.ns)
    .slice(0, STALLS_SHOWN)
  const several = processes.length > 1
  const head = ['stall', 'at', 'thread', ...(several ? ['process'] : [])]
  return html`<section aria-labelledby="stalls-head">
    <h2 id="stalls-head">Longest stalls of event loops</h2>
    <p class="faint">A link sums up what ran then.</p>
    <div class="wide">
      <table class="sortable" id="stalls">
        ${headRow(head, (name) => name !== 'thread', 'stall')}
        <tbody>
          ${longest.map(({ thread, from: start, to, ns, row }) => {
            const at = Number(start - from)
            const target = `from=${at}&to=${Number(to - from)}${row < 0 ? '' : `&thread=${row}`}`
            const shown = data.threads[row]
            return html`<tr>
              <th scope="row" class="n" data-value="${ns}"><a href="#${target}">${durationText(ns)}</a></th>
              ${timeCell(at)}
              <td>${shown === undefined ? '' : nameOfRow(shown)}</td>
              ${several ? html`<td class="n" data-value="${thread.process.pid}">${thread.process.pid}</td>` : html``}
            </tr>`
          })}
        </tbody>
      </table>
    </div>
  </section>`
}
