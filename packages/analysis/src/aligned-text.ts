/** Text in aligned columns, for a terminal. */

/** Aligns columns; `left` says which ones to the left. */
export function table(rows: readonly (readonly string[])[], left: readonly boolean[]): string {
  const widths = left.map((_, column) => Math.max(...rows.map((row) => widthOf(row[column]))))
  const lines = rows.map((row) =>
    row
      .map((text, column) => {
        const space = ' '.repeat(widths[column] - widthOf(text))
        return left[column] ? text + space : space + text
      })
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

function widthOf(text: string): number {
  return Array.from(text).length
}

/** A name from a trace, without what a terminal would obey. */
export function shown(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\ufffd')
}
