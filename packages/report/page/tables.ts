/** Tables that are sorted by a click on a head, or by Enter there. */

/** Makes a table sortable. */
export function makeSortable(table: HTMLTableElement): void {
  const heads = [...(table.tHead?.rows[0].cells ?? [])]
  for (const [column, head] of heads.entries()) {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(...head.childNodes)
    head.append(button)
    button.addEventListener('click', () => sortBy(table, heads, column))
  }
}

function sortBy(table: HTMLTableElement, heads: readonly HTMLTableCellElement[], column: number): void {
  const head = heads[column]
  const isNumber = head.classList.contains('n')
  // Of numbers the largest come first.
  const before = head.getAttribute('aria-sort')
  const isAscending = before === null ? !isNumber : before === 'descending'
  for (const each of heads) each.removeAttribute('aria-sort')
  head.setAttribute('aria-sort', isAscending ? 'ascending' : 'descending')
  const [body] = table.tBodies
  const rows = [...body.rows].map((row) => {
    const cell = row.cells[column]
    const text = cell.textContent.trim()
    return { row, text, value: Number(cell.dataset.value ?? text) }
  })
  // A cell without a number counts as the least.
  const number = (value: number): number => (Number.isNaN(value) ? -1 : value)
  rows.sort((a, b) =>
    isNumber ? number(a.value) - number(b.value) : a.text.localeCompare(b.text, 'en', { numeric: true }),
  )
  if (!isAscending) rows.reverse()
  body.append(...rows.map(({ row }) => row))
}
