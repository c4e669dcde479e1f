/**
 * Samples of stacks as the slices of a flame chart: each function is a span from the first sample
 * that has it in its place to the last one, on a thread of its own beside the one that was sampled.
 * Viewers that know spans show them. Between two samples nobody knows what ran: that it was the
 * same function is likely, and no more.
 */
import { Stacks, type SampledFunction, type Stack, type StackSample } from '@rchan/analysis'
import type { EventClass, SpanItem, TraceItem, TraceThread } from '@rchan/ctf/reader'

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

/** Puts spans in the place of samples, and hands all other items on. */
export class CalledFunctions {
  readonly #stacks = new Stacks()
  readonly #functions = new Functions()
  readonly #next: (item: TraceItem) => void
  /** The latest class that has no samples. */
  #plain: EventClass | undefined
  /** The time of the last sample. */
  #sampled = 0n

  /** @param next takes the items. */
  constructor(next: (item: TraceItem) => void) {
    this.#next = next
  }

  push(item: TraceItem): void {
    if (item.type === 'thread') {
      this.#stacks.push(item)
      if (item.phase === 'went') this.#give(this.#functions.endOf(item.thread, item.time))
    } else if (item.type === 'event' && item.event !== this.#plain) {
      const { name } = item.event
      if (name === 'sample' || name === 'sample:stack') {
        this.#sampled = item.time
        const sample = this.#stacks.push(item)
        if (sample !== undefined) this.#give(this.#functions.sampled(sample, item.time))
        return
      }
      this.#plain = item.event
    }
    this.#next(item)
  }

  /** Ends the functions that go on. @param time of the last item that was handed on, if any. */
  finish(time = 0n): void {
    this.#give(this.#functions.end(time > this.#sampled ? time : this.#sampled))
  }

  #give(spans: Iterable<SpanItem>): void {
    for (const span of spans) this.#next(span)
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
