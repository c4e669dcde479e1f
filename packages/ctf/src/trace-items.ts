/**
 * The items of a trace, or of the traces of several processes, in the order of their times; of a
 * recording that still runs, too. Keeps one packet of each stream in memory. Any thread.
 */
import type { CutFact } from './facts.js'
import type { FollowOptions, ItemOptions, TraceItem, TraceProcess, TraceThread } from './items.js'
import { matcherOf } from './patterns.js'
import type { EventClass } from './schema.js'
import { baseName, userClass } from './item-maker.js'
import { StreamItems, type StreamFilter } from './stream-items.js'
import type { TraceSource } from './trace-source.js'

/** What a merge takes from: something that has items in the order of their times. */
interface Source {
  readonly item: TraceItem | undefined
  next(): boolean
  close(): void
}

/** How often a live recording is looked at, in milliseconds. */
const LOOK_MS = 100
/**
 * How much older than the clock an item of a live recording must be. Until then another stream may
 * get an earlier one: the records of a sub-buffer that is not full come with a flush.
 */
const LIVE_DELAY_NS = 400_000_000n
/** So many looks without anything new, and the recording is over. */
const QUIET_LOOKS = 4

/** Checks the options of a read. @throws TypeError with the bad one. */
export function checkItemOptions(options: unknown): ItemOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`items: options=${String(options)}, expected an object like { events: ['pool:*'] }`)
  }
  const { from, to, threads, processes, events } = options as Record<string, unknown>
  for (const [name, value] of Object.entries({ from, to })) {
    if (value !== undefined && typeof value !== 'bigint') {
      throw new TypeError(`items: ${name} is a ${typeof value}, expected a bigint: ns of the trace's clock`)
    }
  }
  for (const [name, value] of Object.entries({ threads, processes, events })) {
    if (value !== undefined && !Array.isArray(value)) throw new TypeError(`items: ${name} is no list`)
  }
  return options
}

/** The same for a recording that is followed. */
export function checkFollowOptions(options: unknown): FollowOptions {
  const checked: FollowOptions = checkItemOptions(options)
  const { signal } = checked
  if (signal !== undefined && typeof signal?.aborted !== 'boolean') {
    throw new TypeError('follow: signal is not that of an AbortController')
  }
  return checked
}

/** Yields the items of traces, sorted by time. */
export function itemsOf(traces: readonly TraceSource[], options: ItemOptions): IterableIterator<TraceItem> {
  return new Items(traces, options)
}

/** An iterator in the form of a class: a generator costs a tenth of a read. */
class Items implements IterableIterator<TraceItem> {
  readonly #traces: readonly TraceSource[]
  readonly #options: ItemOptions
  #sources: readonly Source[] | undefined
  readonly #heap = new Heap()
  /** The source of the last item, which has to step before the next one. */
  #current: Source | undefined
  #isOver = false

  constructor(traces: readonly TraceSource[], options: ItemOptions) {
    this.#traces = traces
    this.#options = options
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<TraceItem, undefined> {
    if (this.#isOver) return { done: true, value: undefined }
    try {
      this.#step()
    } catch (error) {
      this.return()
      throw error
    }
    const first = this.#heap.first
    if (first === undefined) return this.return()
    this.#current = first
    return { done: false, value: first.item as TraceItem }
  }

  return(): IteratorReturnResult<undefined> {
    this.#isOver = true
    for (const source of this.#sources ?? []) source.close()
    return { done: true, value: undefined }
  }

  /** Brings the source with the next item to the top of the heap. */
  #step(): void {
    const heap = this.#heap
    if (this.#sources === undefined) {
      this.#sources = this.#traces.flatMap((trace) => sourcesOf(trace, this.#options))
      for (const source of this.#sources) if (source.next()) heap.push(source)
    } else if (this.#current !== undefined) {
      if (this.#current.next()) heap.sinkFirst()
      else heap.pop()
    }
  }
}

// It has what all iterators have, as a generator does.
Object.setPrototypeOf(
  Items.prototype,
  Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object,
)

/** Yields the items of recordings that run, as they come. Ends some time after they have ended. */
export async function* followed(
  open: () => readonly TraceSource[],
  options: FollowOptions,
  now: () => bigint,
): AsyncIterableIterator<TraceItem> {
  const { to, signal } = options
  const isAborted = (): boolean => signal?.aborted === true
  let isLive = true
  const streams = new Map<string, StreamItems>()
  let quiet = 0
  try {
    while (!isAborted()) {
      const traces = open()
      // Before the files are listed: the last thing that a recording makes may be a file.
      if (quiet >= QUIET_LOOKS && traces.every((trace) => trace.isOver())) isLive = false
      for (const trace of traces) {
        const filter = filterOf(options)
        for (const paths of trace.streams()) {
          const key = paths[0]
          const known = streams.get(key)
          if (known !== undefined) known.goOn(paths)
          else streams.set(key, new StreamItems(paths, trace, filter, () => isLive))
        }
      }
      const until = isLive ? now() - LIVE_DELAY_NS : undefined
      let found = false
      for (const item of merged([...streams.values()], until)) {
        found = true
        yield item
        if (isAborted()) return
      }
      if (until === undefined || (to !== undefined && until >= to)) break
      quiet = found ? 0 : quiet + 1
      await pause(LOOK_MS, signal)
    }
    if (isAborted()) return
    // What is known of threads and of cut spans stands in the metadata at the end.
    yield* merged(open().map((trace) => factsOf(trace, options)))
  } finally {
    for (const items of streams.values()) items.close()
  }
}

/** Waits, at most until a signal is aborted. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}

function sourcesOf(trace: TraceSource, options: ItemOptions): Source[] {
  if (options.processes !== undefined && !trace.mayHave(options.processes)) return []
  const filter = filterOf(options)
  const streams = trace.streams().map((paths): Source => new StreamItems(paths, trace, filter))
  return [...streams, factsOf(trace, options)]
}

function filterOf({ from, to, events, threads: wanted, processes }: ItemOptions): StreamFilter {
  const matches = events === undefined ? undefined : matcherOf(events)
  const known = new Map<EventClass, boolean>()
  const wantsEvent = (event: EventClass): boolean => {
    if (matches === undefined) return true
    let isWanted = known.get(event)
    if (isWanted === undefined) {
      isWanted =
        matches(event.name) || (event.kind?.startsWith('async') === true && matches(baseName(event.name)))
      known.set(event, isWanted)
    }
    return isWanted
  }
  if (wanted === undefined && processes === undefined) {
    return { from, to, wants: events === undefined ? () => true : (_, event) => wantsEvent(event) }
  }
  const wantsThread = ({ threadId, name, process: { pid } }: TraceThread): boolean =>
    (wanted === undefined || wanted.some((each) => each === threadId || each === name)) &&
    (processes === undefined || processes.includes(pid))
  const wants: StreamFilter['wants'] = (thread, event) => wantsEvent(event) && wantsThread(thread)
  return { from, to, wants }
}

/** The items that stand in the metadata: when threads came and went, and cut spans. */
function factsOf(trace: TraceSource, options: ItemOptions): Source {
  const { facts, events } = trace.latest()
  const filter = filterOf(options)
  const items: TraceItem[] = []
  const classes = new Map(events.filter(({ kind }) => kind === 'span').map((event) => [event.name, event]))
  for (const { cpu, generation, threadId, runs, came, went } of facts?.threads ?? []) {
    const thread = trace.threadOf(threadId, cpu, generation)
    items.push({ type: 'thread', time: came, thread, phase: 'came', runs })
    if (went !== undefined) items.push({ type: 'thread', time: went, thread, phase: 'went', how: 'ended' })
  }
  for (const cut of facts?.cuts ?? []) {
    const event = classes.get(cut.span)
    if (event !== undefined) items.push(cutItem(trace, cut, userClass('span', event)))
  }
  const { from, to } = options
  const wanted = items.filter(
    (item) =>
      (from === undefined || item.time >= from) &&
      (to === undefined || item.time < to) &&
      (item.type !== 'span' || filter.wants(item.thread, item.event)),
  )
  wanted.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  let at = -1
  return {
    get item() {
      return wanted[at]
    },
    next: () => (at += 1) < wanted.length,
    close() {},
  }
}

function cutItem(trace: TraceSource, cut: CutFact, event: EventClass): TraceItem {
  const thread = trace.threadOf(cut.threadId, cut.cpu, cut.generation)
  const { start, at } = cut
  return { type: 'span', time: at, start, end: at, outcome: 'cut', thread, event, fields: {} }
}

/**
 * Merges sources. @param until only items before it are taken; the sources keep the others.
 */
function* merged(sources: readonly Source[], until?: bigint): IterableIterator<TraceItem> {
  const heap = new Heap()
  for (const source of sources) if (source.item !== undefined || source.next()) heap.push(source)
  for (let first = heap.first; first !== undefined; first = heap.first) {
    const item = first.item as TraceItem
    if (until !== undefined && item.time >= until) return
    yield item
    if (first.next()) heap.sinkFirst()
    else heap.pop()
  }
}

/** A binary heap of sources that have an item. The one with the earliest is on top. */
class Heap {
  readonly #sources: Source[] = []

  get first(): Source | undefined {
    return this.#sources[0]
  }

  push(source: Source): void {
    const sources = this.#sources
    let at = sources.push(source) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(source, sources[parent])) break
      sources[at] = sources[parent]
      at = parent
    }
    sources[at] = source
  }

  pop(): void {
    const last = this.#sources.pop() as Source
    if (this.#sources.length === 0) return
    this.#sources[0] = last
    this.sinkFirst()
  }

  sinkFirst(): void {
    const sources = this.#sources
    const sinking = sources[0]
    let at = 0
    for (let child = 1; child < sources.length; child = at * 2 + 1) {
      if (child + 1 < sources.length && isBefore(sources[child + 1], sources[child])) child += 1
      if (!isBefore(sources[child], sinking)) break
      sources[at] = sources[child]
      at = child
    }
    sources[at] = sinking
  }
}

function isBefore(a: Source, b: Source): boolean {
  return (a.item as TraceItem).time < (b.item as TraceItem).time
}

export type { TraceProcess }
