/** The entry `rchan/analysis`: what a trace says in numbers, and its spans as wholes. */
export {
  QUANTILE_ERROR,
  Sketch,
  summarize,
  summaryText,
  wholeSpans,
  type Distribution,
  type FieldSummary,
  type Summary,
  type ThreadSummary,
  type TracepointKind,
  type TracepointSummary,
  type WholeSpan,
} from '@rchan/analysis'
export type * from './items.js'
