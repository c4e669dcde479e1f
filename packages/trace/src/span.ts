/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Spans: something that takes its time on one thread. A declaration works as that of a tracepoint.
 */
import type { FieldValuesOf, Level, Schema, StructTypes } from '@rchan/ctf'
import type { CallFields, NoFields } from './kinds.js'
import { compile } from './compile.js'
import { declare, dispatchTo, spanDispatchTo } from './declare.js'
import { Face, type SpanDispatch } from './dispatch.js'

declare const OWED: unique symbol
/**
 * What `begin` returns and `end` takes: a small integer, 0 if the span is not recorded. Its type
 * says which fields are still owed.
 */
export type SpanToken<Owed> = number & { readonly [OWED]?: Owed }

/** The fields of an end: what is owed, which can be nothing. */
export type SpanRest<Owed> = Record<string, never> extends Owed ? [fields?: Owed] : [fields: Owed]

/**
 * A span tracepoint. A span is one event, written when it ends, with its start and duration. A span
 * belongs to the thread on which it began; for what may end on another thread there is `asyncSpan`.
 * Calls never throw, as those of a tracepoint. At most 1024 spans of a thread can be open at once.
 *
 * Fields can be given when the span begins, or when it ends; those given at the end win, but for
 * one that is undefined there. An object that is given to `begin` is read at the end.
 */
export interface Span<F extends StructTypes> {
  /** Begins a span. @returns a token for `end` or `fail`; 0 while nothing is recorded. */
  begin<const B extends Partial<FieldValuesOf<F>> = NoFields>(
    fields?: B,
  ): SpanToken<Omit<FieldValuesOf<F>, keyof B>>
  /**
   * Ends a span: writes the event. A token of a span that has ended already is counted as bad
   * arguments.
   */
  end<Owed>(token: SpanToken<Owed>, ...rest: SpanRest<Owed & Partial<FieldValuesOf<F>>>): void
  /** Ends a span, and marks it as failed. */
  fail<Owed>(token: SpanToken<Owed>, ...rest: SpanRest<Owed & Partial<FieldValuesOf<F>>>): void
  /**
   * Runs a function in a span. If it returns a promise, the span ends when that is settled. If it
   * throws, or the promise is rejected, the span is marked as failed.
   *
   * @returns what the function returns; in place of a promise, one with the same outcome.
   */
  run<T>(fields: FieldValuesOf<F>, body: () => T): T
  /** The same, of a span that has no fields. */
  run<T>(body: keyof F extends never ? () => T : never): T
  /** Begins a span that ends with the block: `using _ = decode.using({ … })`. */
  using(...fields: CallFields<F>): Disposable
  /**
   * Records a span that is known only now: its start and end in ns of the trace's clock, see `now`.
   */
  between(startNs: bigint | number, endNs: bigint | number, ...fields: CallFields<F>): void
  /** Whether it is recorded now. May be stale by an instant. */
  readonly enabled: boolean
  readonly schema: Schema
}

type Args = Readonly<Record<string, unknown>>

/** What can be said of a span beside its fields. */
export interface SpanOptions {
  /** How important its events are. By default `info`. */
  readonly level?: Level
}

/**
 * Declares a span.
 *
 * @param name see `tracepoint`.
 * @param fields the types of its fields; not `start`, `duration` or `outcome`, which it has.
 * @throws as `tracepoint`.
 * @example
 * const decode = span('tile:decode', { id: 'u32' })
 * const token = decode.begin({ id: 7 })
 * work()
 * decode.end(token)
 * // Or:
 * decode.run({ id: 7 }, work)
 */
export function span<const F extends StructTypes = NoFields>(
  name: string,
  fields: F = {} as F,
  options: SpanOptions = {},
): Span<F> {
  const declared = declare(name, fields, { ...options, kind: 'span' })
  const { id, schema, flags } = declared
  const between = dispatchTo(declared)
  const calls = facadeOf(flags, id, name, spanDispatchTo(declared))
  const face = {
    ...calls,
    run(given: Args | (() => unknown), body?: () => unknown): unknown {
      if (body === undefined) return face.run({}, given as () => unknown)
      const token = calls.begin(given as Args)
      if (token === 0) return body()
      let result: unknown
      try {
        result = body()
      } catch (error) {
        calls.fail(token)
        throw error
      }
      return settled(
        result,
        () => calls.end(token),
        () => calls.fail(token),
      )
    },
    using(given?: Args): Disposable {
      return new EndAtBlock(calls, calls.begin(given))
    },
    between(start: bigint | number, to: bigint | number, given: Args): void {
      const flag = flags[id]
      if (flag !== 0) between.encode(given, flag, start, durationOf(start, to), 'ok')
    },
    schema,
  }
  return new Face(flags, id, face) as unknown as Span<F>
}

/** Ends a span with its block. An object literal with such a method takes five times as long. */
class EndAtBlock implements Disposable {
  readonly #calls: Facade
  readonly #token: number

  constructor(calls: Facade, token: number) {
    this.#calls = calls
    this.#token = token
  }

  [Symbol.dispose](): void {
    this.#calls.end(this.#token)
  }
}

/** @returns a value that fits no duration if the times are none, or in the wrong order. */
function durationOf(start: unknown, end: unknown): unknown {
  if (typeof start === 'number' && typeof end === 'number') return end - start
  try {
    return BigInt(end as number) - BigInt(start as number)
  } catch {
    return undefined
  }
}

/**
 * Calls back once when a result is there: now, or when the promise that it is is settled.
 *
 * @returns the result; in place of a promise, one with the same outcome.
 */
function settled(result: unknown, end: () => void, fail: () => void): unknown {
  let isOver = false
  const once = (callback: () => void): void => {
    if (isOver) return
    isOver = true
    callback()
  }
  if (typeof result === 'object' && result !== null) {
    try {
      const then: unknown = (result as Partial<PromiseLike<unknown>>).then
      if (typeof then === 'function') {
        return Reflect.apply(then, result, [
          (value: unknown) => {
            once(end)
            return value
          },
          (error: unknown) => {
            once(fail)
            throw error
          },
        ])
      }
    } catch {
      // It only looks like a promise. Without the span nobody would have asked.
    }
  }
  once(end)
  return result
}

interface Facade {
  begin(args?: Args): number
  end(token: number, args?: Args): void
  fail(token: number, args?: Args): void
}

/** While nothing is recorded, a begin is a load and a branch, and an end is a branch. */
function facadeOf(flags: Int32Array, id: number, name: string, dispatch: { span: SpanDispatch }): Facade {
  const source = `'use strict' // ${name} #${id}
const { flags, dispatch } = env
return {
  begin(args) {
    const flag = flags[${id}]
    return flag === 0 ? 0 : dispatch.span.begin(args, flag)
  },
  end(token, args) {
    if (token !== 0) dispatch.span.end(args, token, 'ok')
  },
  fail(token, args) {
    if (token !== 0) dispatch.span.end(args, token, 'failed')
  },
}`
  return (
    (compile(source, { flags, dispatch }) as Facade | undefined) ?? {
      begin(args) {
        const flag = flags[id]
        return flag === 0 ? 0 : dispatch.span.begin(args, flag)
      },
      end(token, args) {
        if (token !== 0) dispatch.span.end(args, token, 'ok')
      },
      fail(token, args) {
        if (token !== 0) dispatch.span.end(args, token, 'failed')
      },
    }
  )
}
