/** Heads and cells of tables. The page's script sorts by `data-value`. */
import { durationText, numberText } from '@rchan/analysis'
import { html, type Markup } from './markup.js'

/**
 * The head of a table.
 *
 * @param isNumber whether a column has numbers.
 * @param sorted the column by which the rows are sorted, the most first.
 */
export function headRow(
  names: readonly string[],
  isNumber: (name: string) => boolean,
  sorted?: string,
): Markup {
  const cell = (name: string): Markup => {
    const kind = isNumber(name) ? html`class="n"` : html``
    const order = name === sorted ? html`aria-sort="descending"` : html``
    return html`<th scope="col" ${kind} ${order}>${name}</th>`
  }
  return html`<thead>
    <tr>
      ${names.map(cell)}
    </tr>
  </thead>`
}

/** A duration in ns. */
export function timeCell(ns: number | undefined): Markup {
  const text = ns === undefined ? '–' : ns === 0 ? '0' : durationText(ns)
  return html`<td class="n" data-value="${ns ?? -1}">${text}</td>`
}

/** The time between two stages. */
export function between(start: bigint | undefined, end: bigint | undefined): Markup {
  return timeCell(start === undefined || end === undefined ? undefined : Number(end - start))
}

/** A number. */
export function numberCell(value: number): Markup {
  return html`<td class="n" data-value="${value}">${numberText(value)}</td>`
}

/** A part of something, from 0 to 1. */
export function partCell(part: number): Markup {
  return html`<td class="n" data-value="${part.toFixed(6)}">${(part * 100).toFixed(1)} %</td>`
}
