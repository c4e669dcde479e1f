/**
 * Samples of stacks as the slices of a flame chart: each function is a span from the first sample
 * that has it in its place to the last one, on a thread of its own beside the one that was sampled.
 * Viewers that know spans show them. Between two samples nobody knows what ran: that it was the
 * same function is likely, and no more.
 */
import { Stacks, type SampledFunction, type Stack, type StackSample } from '@rchan/analysis'
import type {
  EventClass,
  ItemOptions,
  ItemSource,
  SpanItem,
  ThreadItem,
  TraceItem,
  TraceThread,
} from '@rchan/ctf/reader'

/** Functions go on across a gap between samples that is not longer, in ns. */
const BRIDGED = 10_000_000n
/** What is added to Node's id of a thread for that of its functions. */
const BESIDE = 4_000_000
const IDLE = '(idle)'
const COLLECTOR = '(garbage collector)'
/** Classes of functions that are known again. */
const MOST_CLASSES = 131_072

/** A function that may go on. */
interface OpenCall {
  readonly function: SampledFunction
  readonly start: bigint
}

/** The functions of a thread. */
interface Calls {
  readonly thread: TraceThread
  /** The outermost first. */
  readonly open: OpenCall[]
  /** Until when they are known to run. */
  until: bigint
}

/** A trace in which spans take the place of samples. */
export class CalledFunctions implements ItemSource {
  readonly #source: ItemSource

  constructor(source: ItemSource) {
    this.#source = source
  }

  wallClock(time: bigint): bigint {
    return this.#source.wallClock(time)
  }

  items(options?: ItemOptions): Iterable<TraceItem> {
    return new Items(this.#source.items(options)[Symbol.iterator]())
  }
}

/** The items of such a trace. Those of other traces pass through as they are. */
class Items implements IterableIterator<TraceItem> {
  readonly #items: Iterator<TraceItem>
  readonly #stacks = new Stacks()
  readonly #functions = new Functions()
  /** What comes before the next item is taken. */
  #before: Iterator<TraceItem> | undefined
  /** The latest class that has no samples. */
  #plain: EventClass | undefined
  #time = 0n
  #isOver = false

  constructor(items: Iterator<TraceItem>) {
    this.#items = items
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<TraceItem, undefined> {
    for (;;) {
      if (this.#before !== undefined) {
        const result = this.#before.next()
        if (result.done !== true) return result
        this.#before = undefined
      }
      if (this.#isOver) return { done: true, value: undefined }
      const result = this.#items.next()
      if (result.done === true) {
        this.#isOver = true
        this.#before = this.#functions.end(this.#time)[Symbol.iterator]()
        continue
      }
      const item = result.value
      this.#time = item.time
      if (item.type === 'thread') this.#before = this.#atThread(item)
      else if (item.type !== 'event' || item.event === this.#plain) return result
      else if (item.event.name === 'sample' || item.event.name === 'sample:stack') {
        const sample = this.#stacks.push(item)
        if (sample !== undefined) this.#before = this.#functions.sampled(sample, item.time)[Symbol.iterator]()
      } else {
        this.#plain = item.event
        return result
      }
    }
  }

  return(): IteratorReturnResult<undefined> {
    this.#isOver = true
    this.#before = undefined
    this.#items.return?.()
    return { done: true, value: undefined }
  }

  *#atThread(item: ThreadItem): IterableIterator<TraceItem> {
    this.#stacks.push(item)
    if (item.phase === 'went') yield* this.#functions.endOf(item.thread, item.time)
    yield item
  }
}

/** The functions of all threads. */
class Functions {
  readonly #calls = new Map<TraceThread, Calls>()
  readonly #classes = new Map<SampledFunction, EventClass>();

  /** Takes a sample. @returns the spans that it ends, the inner ones first. */
  *sampled({ thread, from, to, stack }: StackSample, time: bigint): Iterable<SpanItem> {
    const calls = this.#callsOf(thread)
    const goesOn = from >= calls.until && from - calls.until <= BRIDGED
    if (!goesOn) yield* this.#close(calls, 0, calls.until, time)
    const functions = functionsOf(stack, calls.open)
    let same = 0
    while (same < functions.length && functions[same] === calls.open[same]?.function) same += 1
    // What goes on has run in between, too; what ends may have ended at any time.
    yield* this.#close(calls, same, goesOn ? from : calls.until, time)
    // Some viewers nest what begins at the same time as it is written: the inner one comes first.
    for (let index = same; index < functions.length; index += 1) {
      calls.open.push({ function: functions[index], start: from + BigInt(index - same) })
    }
    if (to > calls.until) calls.until = to
  }

  *endOf(thread: TraceThread, time: bigint): Iterable<SpanItem> {
    const calls = this.#calls.get(thread)
    if (calls === undefined) return
    yield* this.#close(calls, 0, calls.until, time)
    this.#calls.delete(thread)
  }

  *end(time: bigint): Iterable<SpanItem> {
    for (const thread of this.#calls.keys()) yield* this.endOf(thread, time)
  }

  *#close({ thread, open }: Calls, kept: number, end: bigint, time: bigint): Iterable<SpanItem> {
    while (open.length > kept) {
      const call = open.pop()
      if (call === undefined) return
      const { file, line, column } = call.function
      yield {
        type: 'span',
        time,
        start: call.start < end ? call.start : end,
        end,
        outcome: 'ok',
        thread,
        event: this.#classOf(call.function),
        fields: { file, line, column },
      }
    }
  }

  #callsOf(thread: TraceThread): Calls {
    let calls = this.#calls.get(thread)
    if (calls === undefined) {
      const name = thread.name === '' && thread.threadId === 0 ? 'main' : thread.name
      const beside = { ...thread, threadId: thread.threadId + BESIDE, name: `functions of ${name}` }
      calls = { thread: beside, open: [], until: 0n }
      this.#calls.set(thread, calls)
    }
    return calls
  }

  #classOf(called: SampledFunction): EventClass {
    let known = this.#classes.get(called)
    if (known === undefined) {
      known = {
        id: -1 - this.#classes.size,
        name: nameOf(called),
        kind: 'span',
        level: 'info',
        fields: [
          { name: 'file', type: 'string' },
          { name: 'line', type: 'u32' },
          { name: 'column', type: 'u32' },
        ],
      }
      if (this.#classes.size < MOST_CLASSES) this.#classes.set(called, known)
    }
    return known
  }
}

/** Returns the functions of a stack, the outermost first. @param open those that ran before. */
function functionsOf(stack: Stack, open: readonly OpenCall[]): SampledFunction[] {
  if (stack.function.name === IDLE) return []
  // A collection interrupts a function, which V8 does not tell.
  if (stack.function.name === COLLECTOR) {
    const interrupted = open.map((call) => call.function).filter(({ name }) => name !== COLLECTOR)
    return [...interrupted, stack.function]
  }
  const functions: SampledFunction[] = []
  for (let each: Stack | undefined = stack; each !== undefined; each = each.caller) {
    functions.push(each.function)
  }
  return functions.toReversed()
}

/** What a function is called in a viewer, which may know it by its name alone. */
function nameOf({ name, file, line }: SampledFunction): string {
  const shown = name === '' ? '(no name)' : name
  return file === '' ? shown : `${shown} ${file.split(/[/\\]/).at(-1)}:${line}`
}
