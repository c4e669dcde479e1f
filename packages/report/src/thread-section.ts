/** What each thread did with its time. */
import type { Model } from '@rchan/analysis'
import type { TraceThread } from '@rchan/ctf/reader'
import { headRow, numberCell, partCell, timeCell } from './cells.js'
import { html, type Markup } from './markup.js'
import type { PageData } from './page-data.js'
import { shortText } from './shown-text.js'

/** More make a browser slow. */
const THREADS_SHOWN = 1000

/** The row of a thread in the timeline; −1 if it has none. */
export function threadRowOf({ threads, processes }: PageData, { threadId, process }: TraceThread): number {
  return threads.findIndex(
    ({ id, process: place }) => id === threadId && processes[place].index === process.index,
  )
}

/** Makes the table. */
export function threadSection({ threads, processes }: Model, data: PageData): Markup {
  if (threads.length === 0) return html``
  const several = processes.length > 1
  const more = threads.length - THREADS_SHOWN
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
  return html`<section aria-labelledby="threads-head">
    <h2 id="threads-head">Threads</h2>
    <div class="wide">
      <table class="sortable" id="threads">
        ${headRow(head, (name) => !['thread', 'end'].includes(name))}
        <tbody>
          ${threads.slice(0, THREADS_SHOWN).map((use) => {
            const { thread, role, shares, tasks, stalls, heap, lost, error, exitCode } = use
            const label =
              thread.name !== ''
                ? shortText(thread.name)
                : role === 'main'
                  ? 'main'
                  : `worker ${thread.threadId}`
            const end =
              (error === undefined ? undefined : shortText(error.split('\n')[0])) ??
              ((exitCode ?? 0) > 1 ? `exit code ${exitCode}` : '')
            const row = threadRowOf(data, thread)
            return html`<tr>
              <th scope="row">${row < 0 ? label : html`<a href="#thread=${row}">${label}</a>`}</th>
              ${numberCell(thread.threadId)}
              ${several ? html`<td class="n" data-value="${thread.process.pid}">${thread.process.pid}</td>` : html``}
              ${[shares.busy, shares.waitingForCpu, shares.gc, shares.idle].map(partCell)}
              ${numberCell(tasks)} ${timeCell(stalls.count === 0 ? undefined : stalls.ns)}
              <td class="n" data-value="${heap?.used ?? -1}">
                ${heap === undefined ? '–' : `${Math.round(heap.used / 2 ** 20)} of ${Math.round(heap.limit / 2 ** 20)} MiB`}
              </td>
              ${numberCell(lost)}
              <td>${end}</td>
            </tr>`
          })}
        </tbody>
      </table>
    </div>
    ${more > 0 ? html`<p class="faint">And ${more} more, which are in the timeline.</p>` : html``}
  </section>`
}
