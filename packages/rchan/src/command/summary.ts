/** `rchan summary`: a trace in numbers. */
import { writeOut } from './output.js'
import { CountedSource } from './progress.js'
import { selectionOf, type SelectionOptions } from './selection.js'
import { findTrace, openMeant } from './trace-folder.js'

/** Prints the summary of a trace. */
export async function printSummary(
  path: string,
  {
    json = false,
    all = false,
    ...selection
  }: SelectionOptions & { readonly all?: boolean; readonly json?: boolean },
  say: (text: string) => void,
): Promise<void> {
  const trace = await openMeant(await findTrace(path, all, say), say)
  const { summarize, summaryText } = await import('@rchan/analysis')
  const end = 'facts' in trace ? trace.facts?.end : undefined
  const source = new CountedSource(trace, end)
  let summary
  try {
    summary = summarize(source, selectionOf(selection, trace))
  } finally {
    source.clear()
  }
  await writeOut(json ? `${JSON.stringify(summary, undefined, 2)}\n` : summaryText(summary))
}
