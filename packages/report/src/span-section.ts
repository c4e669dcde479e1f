/** All spans by their names: how many, how long. */
import { durationText, numberText } from '@rchan/analysis'
import { headRow, numberCell, timeCell } from './cells.js'
import { html, type Markup } from './markup.js'
import type { PageData } from './page-data.js'

const NAMES_SHOWN = 40

/** The spans of a name. */
interface NameSum {
  readonly name: string
  count: number
  ns: number
  failed: number
  /** −1 if none is drawn. */
  longest: number
}

/** Makes the section. With those that are left out of the timeline. */
export function spanSection(data: PageData): Markup {
  const sums = sumsOf(data)
  if (sums.length === 0) return html``
  const hasFailed = sums.some(({ failed }) => failed > 0)
  const more = sums.length - NAMES_SHOWN
  return html`<section aria-labelledby="spans-head">
    <h2 id="spans-head">Spans by name</h2>
    <p class="faint">A name leads to all of its spans in the timeline.</p>
    <div class="wide">
      <table class="sortable" id="spans">
        ${headRow(['span', 'count', 'sum', 'mean', 'longest', ...(hasFailed ? ['failed'] : [])], (name) => name !== 'span', 'sum')}
        <tbody>
          ${sums.slice(0, NAMES_SHOWN).map(
            ({ name, count, ns, longest, failed }) =>
              html`<tr>
                <th scope="row">${spansOf(name)}</th>
                ${numberCell(count)}${timeCell(ns)}${timeCell(ns / count)}${longestCell(data, longest)}
                ${hasFailed ? numberCell(failed) : html``}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${more > 0 ? html`<p class="faint">And ${numberText(more)} more ${more === 1 ? 'name' : 'names'}.</p>` : html``}
  </section>`
}

function spansOf(name: string): Markup {
  return html`<a href="#${new URLSearchParams({ search: name }).toString()}">${name}</a>`
}

function longestCell({ slices }: PageData, slice: number): Markup {
  if (slice < 0) return timeCell(undefined)
  const ns = slices.duration[slice]
  return html`<td class="n" data-value="${ns}"><a href="#slice=${slice}">${durationText(ns)}</a></td>`
}

function sumsOf({ slices, names, leftOut }: PageData): NameSum[] {
  const { duration, outcome } = slices
  const sums = new Map<string, NameSum>()
  const sumOf = (name: string): NameSum => {
    const known = sums.get(name)
    if (known !== undefined) return known
    const made = { name, count: 0, ns: 0, failed: 0, longest: -1 }
    sums.set(name, made)
    return made
  }
  const byName = names.map((): NameSum | undefined => undefined)
  for (let slice = 0; slice < duration.length; slice += 1) {
    const name = slices.name[slice]
    const sum = (byName[name] ??= sumOf(names[name]))
    sum.count += 1
    sum.ns += duration[slice]
    if (outcome[slice] === 1) sum.failed += 1
    if (sum.longest < 0 || duration[slice] > duration[sum.longest]) sum.longest = slice
  }
  for (const { name, count, ns } of leftOut.sums) {
    const sum = sumOf(name)
    sum.count += count
    sum.ns += ns
  }
  return [...sums.values()].sort((a, b) => b.ns - a.ns)
}
