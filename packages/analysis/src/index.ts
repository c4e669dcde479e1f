/**
 * `@rchan/analysis`: from the items of a trace to a model of it.
 *
 * Reads a trace once, in memory that doesn't grow with it.
 */
export { analyse, Analysis, type AnalysisOptions } from './analysis.js'
export { AsyncPairs, MOST_OPEN, type OpenAsync } from './async-pairs.js'
export { Coverage } from './coverage.js'
export { Extents } from './extent.js'
export { FINDING_IDS } from './findings/findings.js'
export { Largest } from './largest.js'
export { LossMarks } from './loss-marks.js'
export { costText, evidenceText, modelJson, modelText, placesText, stagesOf } from './model-text.js'
export type {
  Backlog,
  CpusUsed,
  Crew,
  CrewWorker,
  Evidence,
  Finding,
  HotFunction,
  IoUse,
  Late,
  Model,
  ModelLosses,
  Parts,
  Pool,
  PoolSpan,
  PoolWorker,
  ProcessUse,
  Quantiles,
  QueuePoint,
  Route,
  Sampled,
  SampledTask,
  Shares,
  Stall,
  StartedProcess,
  Task,
  ThreadUse,
  Traffic,
} from './model.js'
export { shownParts } from './parts-text.js'
export { commandText } from './process-text.js'
export { durationText, numberText, quantityText } from './quantity.js'
export { QUANTILE_ERROR, Sketch, type Bin } from './sketch.js'
export { Stacks, type SampledFunction, type Stack, type StackSample } from './stacks.js'
export { SpanModel, surelyRanFrom, wholeSpans, type WholeSpan } from './spans.js'
export {
  summarize,
  Summing,
  type Distribution,
  type FieldSummary,
  type Summary,
  type ThreadSummary,
  type TracepointKind,
  type TracepointSummary,
} from './summary.js'
export { summaryText } from './summary-text.js'
export { SAMPLER } from './thread-model.js'
