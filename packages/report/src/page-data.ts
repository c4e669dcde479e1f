/**
 * What a page shows: the contract between `gather.ts`, which makes it of a trace, and the page's
 * script, which draws it. Types only.
 *
 * Times are ns since the first record of the trace; a span may have begun before, so they can be
 * negative. What there are many of stands in columns: arrays of the same length. A number of a
 * thread is its place in `threads`, that of a name its place in `names`; −1 stands for none.
 */

/** One number for each of many things. Travels packed: see `columns.ts`. */
export type Column = Float64Array

/** What a page shows. */
export interface PageData {
  readonly from: number
  readonly to: number
  readonly names: readonly string[]
  /** Fields of slices and events, as they are shown. */
  readonly texts: readonly string[]
  readonly processes: readonly PageProcess[]
  /** In the order in which they are shown, each process's together. */
  readonly threads: readonly PageThread[]
  readonly lanes: readonly Lane[]
  readonly slices: Slices
  readonly leftOut: LeftOutSlices
  readonly events: Events
  readonly flows: Flows
  readonly tasks: Tasks
  readonly charts: readonly Chart[]
  readonly stalls: Stalls
  readonly losses: readonly Loss[]
}

/** A process that is shown. */
export interface PageProcess {
  /** Its number in the trace: a pid may be used twice. */
  readonly index: number
  readonly pid: number
  readonly label: string
}

/** A thread that is shown. */
export interface PageThread {
  /** Its place in `processes`. */
  readonly process: number
  /** Node's id. */
  readonly id: number
  readonly label: string
  /** What stands under the label. */
  readonly about: string
  readonly from: number
  readonly to: number
  /** Empty where the kernel's account is not known. */
  readonly cpu: CpuBand
  /**
   * Of equal parts of the time from `from` to `to`: which part slices take that are left out, ‰.
   */
  readonly density: Column
}

/** What a thread did, from each time until the next, in ‰. */
export interface CpuBand {
  readonly times: Column
  readonly onCpu: Column
  readonly waiting: Column
}

/** Slices of a thread that don't overlap. Its slices are those from `first` on, `count` of them. */
export interface Lane {
  readonly thread: number
  /** Asynchronous spans are on lanes of their own, below those of the spans of the thread. */
  readonly isAsync: boolean
  readonly first: number
  readonly count: number
}

/** Spans, sorted by lane and by start. */
export interface Slices {
  readonly start: Column
  readonly duration: Column
  readonly name: Column
  /** 0: ok, 1: failed, 2: cut. */
  readonly outcome: Column
  /** Place in `texts`. */
  readonly text: Column
  /** Place in `tasks`. */
  readonly task: Column
}

/** What there was no room for. */
export interface LeftOutSlices {
  /** Slices shorter than this, in ns, are left out. */
  readonly shorterThan: number
  readonly count: number
  readonly sums: readonly { readonly name: string; readonly count: number; readonly ns: number }[]
  /** Slices in too many others. */
  readonly tooDeep: number
  /** Slices and events that are too long before or after all others. */
  readonly farAway: number
  /** Of the events every so many is there. */
  readonly everyEvent: number
  readonly flows: number
  readonly tasks: number
  /** Values of counters that have no chart. */
  readonly counterValues: number
  readonly losses: number
  readonly stalls: number
}

/** Events, sorted by thread and time. */
export interface Events {
  readonly time: Column
  readonly thread: Column
  readonly name: Column
  readonly text: Column
}

/** Points of ways from thread to thread, sorted by way and time. */
export interface Flows {
  readonly way: Column
  readonly name: Column
  readonly time: Column
  readonly thread: Column
}

/** Tasks of pools. */
export interface Tasks {
  /** Unique in a process. */
  readonly id: Column
  /** Place of the pool's name in `names`. */
  readonly pool: Column
  readonly name: Column
  readonly submitter: Column
  readonly worker: Column
  readonly queued: Column
  /** Stages: ns since `queued`, −1 where it isn't known. */
  readonly dispatched: Column
  /** The worker began to read its message. */
  readonly woken: Column
  readonly started: Column
  readonly finished: Column
  /** The result was posted. */
  readonly replied: Column
  readonly handled: Column
  /** What the run is made of: ns, −1 where it isn't known. */
  readonly onCpu: Column
  readonly waiting: Column
  readonly gc: Column
  readonly blocked: Column
  /** 1: these are those of its thread at that time. */
  readonly estimated: Column
  readonly outcome: Column
  /** Bytes of its message, as far as is known; else −1. */
  readonly size: Column
  /** Place of its arguments in `texts`; −1 if the recording does not have them. */
  readonly given: Column
}

/** Numbers over time. */
export interface Chart {
  readonly label: string
  /** `bytes`, `ns`; empty for a number. */
  readonly unit: string
  readonly process: number
  readonly times: Column
  readonly series: readonly { readonly label: string; readonly values: Column }[]
}

/** Event loops that stood still. */
export interface Stalls {
  readonly thread: Column
  readonly from: Column
  readonly to: Column
}

/** Records that are missing. */
export interface Loss {
  readonly thread: number
  readonly from: number
  readonly to: number
  readonly text: string
}
