/** `rchan summary`: a trace in numbers. */
import { writeOut } from './output.js'
import { Reading } from './reading.js'
import { selectionOf, tellNothing, type SelectionOptions } from './selection.js'
import { findTrace, openMeant } from './trace-folder.js'

/** As the command line has them. */
export interface SummaryOptions extends SelectionOptions {
  readonly all?: boolean
  readonly json?: boolean
}

/** Prints the summary of a trace. */
export async function printSummary(
  path: string,
  { json = false, all = false, ...selection }: SummaryOptions,
  say: (text: string) => void,
): Promise<void> {
  const trace = await openMeant(await findTrace(path, all, say), say)
  const { modelJson, modelText, Summing, summaryText } = await import('@rchan/analysis')
  const reading = new Reading(trace, { selection: selectionOf(selection, trace) })
  const summing = new Summing()
  reading.add(summing)
  await reading.analyse()
  await reading.read()
  if (!reading.source.hasEvents) tellNothing(selection, say)
  const summary = summing.result(trace)
  const { model } = reading
  if (json) return writeOut(`${JSON.stringify({ ...summary, model: modelJson(model) }, undefined, 2)}\n`)
  await writeOut([modelText(model), summaryText(summary)].filter((text) => text !== '').join('\n'))
}
