/** What each thread did with its time. */
import type { Model, ThreadUse } from '@rchan/analysis'
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
  // What no thread has says nothing.
  const hasTasks = threads.some(({ tasks }) => tasks > 0)
  const hasStalls = threads.some(({ stalls }) => stalls.count > 0)
  const hasLost = threads.some(({ lost }) => lost > 0)
  const hasEnd = threads.some((use) => endOf(use) !== '')
  const head = [
    'thread',
    'id',
    ...(several ? ['process'] : []),
    'busy',
    'waiting for a CPU',
    'GC',
    'idle',
    ...(hasTasks ? ['tasks'] : []),
    ...(hasStalls ? ['stalled'] : []),
    'heap',
    ...(hasLost ? ['lost'] : []),
    ...(hasEnd ? ['end'] : []),
  ]
  return html`<section aria-labelledby="threads-head">
    <h2 id="threads-head">Threads</h2>
    <div class="wide">
      <table class="sortable" id="threads">
        ${headRow(head, (name) => !['thread', 'end'].includes(name))}
        <tbody>
          ${threads.slice(0, THREADS_SHOWN).map((use) => {
            const { thread, role, shares, tasks, stalls, heap, lost } = use
            const label =
              thread.name !== ''
                ? shortText(thread.name)
                : role === 'main'
                  ? 'main'
                  : `worker ${thread.threadId}`
            const row = threadRowOf(data, thread)
            return html`<tr>
              <th scope="row">${row < 0 ? label : html`<a href="#thread=${row}">${label}</a>`}</th>
              ${numberCell(thread.threadId)}
              ${several ? html`<td class="n" data-value="${thread.process.pid}">${thread.process.pid}</td>` : html``}
              ${[shares.busy, shares.waitingForCpu, shares.gc, shares.idle].map(partCell)}
              ${hasTasks ? numberCell(tasks) : html``}
              ${hasStalls ? timeCell(stalls.count === 0 ? undefined : stalls.ns) : html``}
              <td class="n" data-value="${heap?.used ?? -1}">
                ${heap === undefined ? '–' : `${Math.round(heap.used / 2 ** 20)} of ${Math.round(heap.limit / 2 ** 20)} MiB`}
              </td>
              ${hasLost ? numberCell(lost) : html``} ${hasEnd ? html`<td>${endOf(use)}</td>` : html``}
            </tr>`
          })}
        </tbody>
      </table>
    </div>
    ${more > 0 ? html`<p class="faint">And ${more} more, which are in the timeline.</p>` : html``}
  </section>`
}

/** How a thread ended, if not as usual. */
function endOf({ error, exitCode }: ThreadUse): string {
  if (error !== undefined) return shortText(error.split('\n')[0])
  return (exitCode ?? 0) > 1 ? `exit code ${exitCode}` : ''
}
