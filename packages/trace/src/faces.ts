/** The types of what is declared, apart from recordings: for `@rchan/tracepoint`. */
export type {
  AsyncSpan,
  AsyncSpanFields,
  CallFields,
  Counter,
  CounterType,
  Flow,
  FlowId,
  KindOptions,
  NoFields,
} from './kinds.js'
export type { Span, SpanOptions, SpanRest, SpanToken } from './span.js'
export type { FieldTypes, FieldValue, FieldValues, Tracepoint, TracepointOptions } from './tracepoint.js'
