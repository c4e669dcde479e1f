/** The functions in which time went, if the recording has samples. */
import { durationText, type HotFunction, type Model, type Sampled } from '@rchan/analysis'
import { headRow, partCell } from './cells.js'
import { html, type Markup } from './markup.js'
import { shortText } from './shown-text.js'

/** Functions of a thread, or of a task. */
const SHOWN = 25
const TABLES_SHOWN = 100
/** A function with less of the time is not shown. */
const LEAST = 0.005

/** Makes the tables, those of tasks first. */
export function functionSection({ pools, threads, processes }: Model): Markup {
  const several = processes.length > 1
  const ofProcess = (pid: number): string => (several ? ` of process ${pid}` : '')
  const ofTasks = pools.flatMap(({ name, process, sampled = [] }) =>
    sampled.map((each) =>
      functionTable(`${shortText(each.task)} in ${shortText(name)}${ofProcess(process.pid)}`, each),
    ),
  )
  const ofThreads = threads.flatMap(({ thread, role, sampled }) => {
    if (sampled === undefined) return []
    const name = thread.name === '' ? (role === 'main' ? 'main' : 'worker') : shortText(thread.name)
    return [functionTable(`${name} (${thread.threadId})${ofProcess(thread.process.pid)}`, sampled)]
  })
  const tables = [...ofTasks, ...ofThreads].filter(({ text }) => text !== '')
  if (tables.length === 0) return html``
  const more = tables.length - TABLES_SHOWN
  return html`<section aria-labelledby="functions-head">
    <h2 id="functions-head">Hottest functions</h2>
    ${tables.slice(0, TABLES_SHOWN)}
    ${more > 0 ? html`<p class="faint">And ${more} more tables.</p>` : html``}
  </section>`
}

function functionTable(what: string, { ns, idleNs, functions }: Sampled): Markup {
  const hot = functions.filter(({ selfNs }) => selfNs >= LEAST * ns && selfNs > 0).slice(0, SHOWN)
  if (hot.length === 0) return html``
  const idle = idleNs > 0 ? `, and ${durationText(idleNs)} idle` : ''
  return html`<details>
    <summary>${what}: ${nameOf(hot[0])} ${((hot[0].selfNs / ns) * 100).toFixed(0)} %</summary>
    <p class="faint">Of ${durationText(ns)}${idle}.</p>
    <div class="wide">
      <table class="sortable">
        ${headRow(['function', 'self', 'total', 'at'], (name) => name === 'self' || name === 'total')}
        <tbody>
          ${hot.map(
            (each) =>
              html`<tr>
                <th scope="row">${nameOf(each)}</th>
                ${partCell(each.selfNs / ns)}${partCell(each.totalNs / ns)}
                <td>${placeOf(each)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`
}

function nameOf({ name }: HotFunction): string {
  return name === '' ? '(no name)' : shortText(name)
}

function placeOf({ file, line, column }: HotFunction): string {
  return file === '' ? '' : `${shortText(file)}${line > 0 ? `:${line}:${column}` : ''}`
}
