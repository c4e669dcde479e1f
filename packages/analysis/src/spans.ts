/**
 * The spans of a trace, whole: an asynchronous span's begin and end become one, and where one of
 * them is missing, the span is cut there.
 */
import type {
  AsyncItem,
  EventClass,
  ItemFields,
  Outcome,
  SpanItem,
  TraceItem,
  TraceThread,
} from '@rchan/ctf/reader'
import { AsyncPairs, type OpenAsync } from './async-pairs.js'
import { Extents } from './extent.js'
import { LossMarks } from './loss-marks.js'

/** A span from its begin to its end. Times are ns of the trace's clock. */
export interface WholeSpan {
  readonly kind: 'span' | 'async'
  readonly name: string
  readonly start: bigint
  readonly end: bigint
  /** `cut`: it had not ended when its thread died or the trace did. */
  readonly outcome: Outcome
  /** Whether its begin is missing. It is then shown from the first time at which it surely ran. */
  readonly cutAtStart: boolean
  /**
   * Whether the trace lost records while it ran, of a thread where it began or ended. So what is in
   * it may be missing.
   */
  readonly hasLosses: boolean
  /** The thread on which it began; if its begin is missing, the one on which it ended. */
  readonly thread: TraceThread
  /** The thread on which it ended. */
  readonly endThread: TraceThread
  /** That of its end, unless that is missing. */
  readonly event: EventClass
  /** Of an asynchronous span. */
  readonly id: bigint | undefined
  /** Those of its begin and its end. */
  readonly fields: ItemFields
}

/** Makes whole spans of items, which are pushed one after the other. */
export class SpanModel {
  readonly extents = new Extents()
  readonly losses = new LossMarks()
  readonly #pairs = new AsyncPairs<undefined>()
  readonly #emit: (span: WholeSpan) => void

  constructor(emit: (span: WholeSpan) => void) {
    this.#emit = emit
  }

  push(item: TraceItem): void {
    this.extents.add(item)
    if (item.type === 'span') this.#span(item)
    else if (item.type === 'async') this.#async(item)
    else if (item.type === 'loss' || item.type === 'gap') this.losses.add(item)
  }

  /** Cuts what is open at the end of its process's trace. */
  finish(): void {
    for (const open of this.#pairs.open()) this.#cut(open, this.extents.toOf(open.begin.thread.process))
  }

  #span({ start, end, outcome, thread, event, fields }: SpanItem): void {
    const hasLosses = this.losses.touches(thread, start, end)
    this.#emit({
      kind: 'span',
      name: event.name,
      start,
      end,
      outcome,
      cutAtStart: false,
      hasLosses,
      thread,
      endThread: thread,
      event,
      id: undefined,
      fields,
    })
  }

  #async(item: AsyncItem): void {
    if (item.phase === 'begin') {
      this.#pairs.begin(
        item,
        () => undefined,
        (open) => this.#cut(open, item.time),
      )
      return
    }
    const { time: end, name, id, thread: endThread, event, outcome = 'ok' } = item
    const begin = this.#pairs.end(item)?.begin
    const start = begin?.time ?? surelyRanFrom(item, this)
    const thread = begin?.thread ?? endThread
    this.#emit({
      kind: 'async',
      name,
      start,
      end,
      outcome,
      cutAtStart: begin === undefined,
      hasLosses: this.losses.touches(thread, start, end) || this.losses.touches(endThread, start, end),
      thread,
      endThread,
      event,
      id,
      fields: begin === undefined ? item.fields : { ...begin.fields, ...item.fields },
    })
  }

  #cut({ begin }: OpenAsync<undefined>, end: bigint): void {
    const { time: start, name, id, thread, event, fields } = begin
    this.#emit({
      kind: 'async',
      name,
      start,
      end,
      outcome: 'cut',
      cutAtStart: false,
      hasLosses: this.losses.touches(thread, start, end),
      thread,
      endThread: thread,
      event,
      id,
      fields,
    })
  }
}

/**
 * Since when an asynchronous span surely ran whose begin isn't in the trace. It began before the
 * trace did, or its begin was lost: after the last loss it would be there.
 */
export function surelyRanFrom(
  end: AsyncItem,
  { extents, losses }: { readonly extents: Extents; readonly losses: LossMarks },
): bigint {
  const from = extents.fromOf(end.thread.process)
  const lost = losses.latest
  if (lost === undefined || lost < from) return from
  return lost < end.time ? lost : end.time
}

/**
 * Returns the whole spans of a trace, in the order of their ends; those that the end of the trace
 * cuts off come last.
 *
 * @example
 * for (const { name, start, end } of wholeSpans(trace.items())) console.log(name, end - start)
 */
export function* wholeSpans(items: Iterable<TraceItem>): IterableIterator<WholeSpan> {
  let ready: WholeSpan[] = []
  const model = new SpanModel((span) => ready.push(span))
  for (const item of items) {
    model.push(item)
    if (ready.length === 0) continue
    yield* ready
    ready = []
  }
  model.finish()
  yield* ready
}
