/** `rchan summary`: a trace in numbers. */
import type { ItemSource } from '@rchan/ctf/reader'
import { writeOut } from './output.js'
import { CountedSource } from './progress.js'
import { selectionOf, tellNothing, type SelectionOptions } from './selection.js'
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
  const { Analysis, modelJson, modelText, summarize, summaryText } = await import('@rchan/analysis')
  const end = 'facts' in trace ? trace.facts?.end : undefined
  const source = new CountedSource(trace, end)
  const analysis = new Analysis()
  const seen: ItemSource = {
    *items(options) {
      for (const item of source.items(options)) {
        analysis.push(item)
        yield item
      }
    },
    wallClock: (time) => source.wallClock(time),
  }
  let summary
  try {
    summary = summarize(seen, selectionOf(selection, trace))
  } finally {
    source.clear()
  }
  if (!source.hasEvents) tellNothing(selection, say)
  const model = analysis.result()
  if (json) return writeOut(`${JSON.stringify({ ...summary, model: modelJson(model) }, undefined, 2)}\n`)
  await writeOut([modelText(model), summaryText(summary)].filter((text) => text !== '').join('\n'))
}
