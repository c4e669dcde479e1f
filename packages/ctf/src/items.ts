/**
 * What a trace says, item by item: the contract between the reader and everything that is made of a
 * trace. Types only.
 *
 * All times are ns of the trace's clock. `fields` has the user's fields only: what the kind of an
 * event puts in front of them is in the item's own members.
 */
import type { DecodedValue } from './field-readers.js'
import type { EventClass } from './schema.js'

/** A process that a trace tells of. There is one object for each. */
export interface TraceProcess {
  readonly pid: number
  /** The folder of its trace. */
  readonly folder: string
  readonly env: Readonly<Record<string, string | number>>
  /** Counted from 0 in the traces that were opened together. */
  readonly index: number
}

/** A thread that a trace tells of. There is one object for each. */
export interface TraceThread {
  readonly process: TraceProcess
  /**
   * Node's id of the thread; 0 for the main thread. In a trace by others: the system's id, −1 if
   * the trace does not say which thread it was.
   */
  readonly threadId: number
  /** Empty if it has none. */
  readonly name: string
  /** −1 if it is not bound to one, in a trace by others. */
  readonly cpu: number
  readonly generation: number
}

/** How a span ended. `cut`: it had not ended when its thread died, or the recording stopped. */
export type Outcome = 'ok' | 'failed' | 'cut'

/** The values of an item's fields, by name. */
export type ItemFields = Readonly<Record<string, DecodedValue>>

/** What items of records have. */
export interface RecordedItem {
  /** Time of the record. Items are sorted by it. */
  readonly time: bigint
  readonly thread: TraceThread
  readonly event: EventClass
  readonly fields: ItemFields
}

/** Something happened. */
export interface EventItem extends RecordedItem {
  readonly type: 'event'
  /** When it happened: the time of the record, unless it was recorded late. */
  readonly at: bigint
  /** In a trace by others: what it says beside the fields. */
  readonly context?: ItemFields
}

/** Something took its time, on one thread. It comes when it has ended. */
export interface SpanItem extends RecordedItem {
  readonly type: 'span'
  readonly start: bigint
  readonly end: bigint
  readonly outcome: Outcome
}

/** The begin or the end of something that may be on several threads. */
export interface AsyncItem extends RecordedItem {
  readonly type: 'async'
  readonly phase: 'begin' | 'end'
  /** The name of the span; that of the event has `:begin` or `:end` behind it. */
  readonly name: string
  readonly id: bigint
  /** Of an end. */
  readonly outcome?: 'ok' | 'failed'
}

/** A point of a way from thread to thread. */
export interface FlowItem extends RecordedItem {
  readonly type: 'flow'
  readonly phase: 'start' | 'step' | 'end'
  readonly id: bigint
}

/** Numbers over time: each field is a series. */
export interface CounterItem extends RecordedItem {
  readonly type: 'counter'
}

/** Records that were never written, or were overwritten. */
export interface LossItem {
  readonly type: 'loss'
  /** Of the packet that reports it. */
  readonly time: bigint
  readonly from: bigint
  readonly to: bigint
  /** The thread that lost them, where that is known. */
  readonly thread: TraceThread | undefined
  readonly cpu: number
  readonly events: number
}

/** Packets that are not in the trace. */
export interface GapItem {
  readonly type: 'gap'
  readonly time: bigint
  readonly from: bigint
  readonly to: bigint
  readonly cpu: number
  readonly packets: number
}

/** A thread came or went. */
export interface ThreadItem {
  readonly type: 'thread'
  readonly time: bigint
  readonly thread: TraceThread
  readonly phase: 'came' | 'went'
  /** The file that it runs. */
  readonly runs?: string
  /** How it went. */
  readonly how?: string
}

/** One thing that a trace says. */
export type TraceItem =
  EventItem | SpanItem | AsyncItem | FlowItem | CounterItem | LossItem | GapItem | ThreadItem

/** Which items are wanted. All that is not given is not limited. */
export interface ItemOptions {
  /** Items from this time on. */
  readonly from?: bigint
  /** Items before this time. */
  readonly to?: bigint
  /** Names or patterns of events: `pool:*`, `!pool:debug`. */
  readonly events?: readonly string[]
  /** Ids or names of threads. */
  readonly threads?: readonly (number | string)[]
  /** Process ids. */
  readonly processes?: readonly number[]
}

/** What is needed of a trace by whoever reads its items. An open trace is one. */
export interface ItemSource {
  items(options?: ItemOptions): Iterable<TraceItem>
  /** Returns ns since 1970 for a time of the trace's clock. */
  wallClock(time: bigint): bigint
}

/** Which items of a recording that still runs are wanted, and until when. */
export interface FollowOptions extends ItemOptions {
  /** Ends the iteration once it is aborted. */
  readonly signal?: AbortSignal
}

/** What is needed of a recording by whoever follows its items. An open trace is one. */
export interface FollowSource {
  follow(options?: FollowOptions): AsyncIterable<TraceItem>
  /** Returns ns since 1970 for a time of the trace's clock. */
  wallClock(time: bigint): bigint
}
