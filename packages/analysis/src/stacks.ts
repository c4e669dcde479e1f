/**
 * The stacks that the probe `samples` has seen. A sample names its stack by a number that counts in
 * one slice of one thread only; here equal stacks of all threads and slices are one object.
 */
import type { EventItem, ItemFields, TraceItem, TraceThread } from '@rchan/ctf/reader'

/** Stacks, and functions, that are known again. Of more of them each slice makes its own. */
const MOST_KNOWN = 131_072

/** A function, as V8 knows it. */
export interface SampledFunction {
  /** Empty for one without a name; in parentheses where no function ran: `(garbage collector)`. */
  readonly name: string
  /** Empty for a function of V8's own. */
  readonly file: string
  /** Where it begins, from 1; 0 where that is not known. */
  readonly line: number
  readonly column: number
}

/** A function that is called, and by whom. */
export interface Stack {
  readonly function: SampledFunction
  /** Undefined for the outermost function. */
  readonly caller: Stack | undefined
}

/** A thread had a stack, whenever V8 looked, from one time to another. */
export interface StackSample {
  readonly thread: TraceThread
  readonly from: bigint
  readonly to: bigint
  /** How often V8 has looked. */
  readonly count: number
  readonly stack: Stack
}

/** Whose stack was lost. */
const LOST: Stack = { function: { name: '(stack lost)', file: '', line: 0, column: 0 }, caller: undefined }

interface Slice {
  readonly number: number
  readonly stacks: Map<number, Stack>
}

/** Finds the stacks of samples. */
export class Stacks {
  readonly #slices = new Map<TraceThread, Slice>()
  readonly #functions = new Map<string, SampledFunction>()
  readonly #callees = new Map<Stack | undefined, Map<SampledFunction, Stack>>()
  #known = 0

  /** Takes the next item of a trace. @returns a sample, if it is one. */
  push(item: TraceItem): StackSample | undefined {
    if (item.type === 'thread') {
      if (item.phase === 'went') this.#slices.delete(item.thread)
      return undefined
    }
    if (item.type !== 'event') return undefined
    if (item.event.name === 'sample:stack') {
      this.#define(item.thread, item.fields)
      return undefined
    }
    return item.event.name === 'sample' ? this.#sample(item) : undefined
  }

  #define(thread: TraceThread, fields: ItemFields): void {
    const { stacks } = this.#sliceOf(thread, numberOf(fields.slice))
    const called: SampledFunction = {
      name: textOf(fields.function),
      file: textOf(fields.file),
      line: numberOf(fields.line),
      column: numberOf(fields.column),
    }
    const parent = numberOf(fields.parent)
    const caller = parent === 0 ? undefined : (stacks.get(parent) ?? LOST)
    stacks.set(numberOf(fields.id), this.#stackOf(this.#theOne(called), caller))
  }

  #sample({ thread, at, fields }: EventItem): StackSample {
    const { stacks } = this.#sliceOf(thread, numberOf(fields.slice))
    return {
      thread,
      from: at,
      to: at + BigInt(Math.max(0, Math.round(numberOf(fields.duration)))),
      count: numberOf(fields.count),
      stack: stacks.get(numberOf(fields.stack)) ?? LOST,
    }
  }

  #sliceOf(thread: TraceThread, number: number): Slice {
    const known = this.#slices.get(thread)
    if (known?.number === number) return known
    const slice = { number, stacks: new Map<number, Stack>() }
    this.#slices.set(thread, slice)
    return slice
  }

  /** Returns the one object of a function. */
  #theOne(called: SampledFunction): SampledFunction {
    const { name, file, line, column } = called
    const key = `${line}:${column}:${name}\n${file}`
    const known = this.#functions.get(key)
    if (known !== undefined) return known
    if (this.#functions.size < MOST_KNOWN) this.#functions.set(key, called)
    return called
  }

  #stackOf(called: SampledFunction, caller: Stack | undefined): Stack {
    const known = this.#callees.get(caller)?.get(called)
    if (known !== undefined) return known
    const stack = { function: called, caller }
    if (this.#known >= MOST_KNOWN) return stack
    this.#known += 1
    let callees = this.#callees.get(caller)
    if (callees === undefined) this.#callees.set(caller, (callees = new Map()))
    callees.set(called, stack)
    return stack
  }
}

function numberOf(value: ItemFields[string]): number {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : 0
}

function textOf(value: ItemFields[string]): string {
  return typeof value === 'string' ? value : ''
}
