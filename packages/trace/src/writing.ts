/**
 * The writing half of tracing: what a thread needs from its first event of a recording on. Other
 * code gets it from `writing-half`, and imports nothing else that it has.
 *
 * In rchan's published file it is compiled late, so what it takes from a program when it is loaded
 * may have been replaced. It takes built-ins and Node's modules from the other half.
 */
import type { Schema } from '@rchan/ctf'
import { thisCpu } from '@rchan/runtime'
import { NO_FLAG } from './bound.js'
import type { Bound, Dispatch, SpanDispatch } from './dispatch.js'
import { boundSpan } from './open-spans.js'
import { starting } from './facade.js'
import { limitsFor, parseRules } from './rules.js'
import { packetClient } from './packet-client.js'

export { watchEventLoop } from '@rchan/runtime'
export { losses, snapshot } from './asking.js'

/** Applies the rules of the recording that runs to an entry: see `Control.want`. */
export function applyRules(id: number, schema: Schema): void {
  const { control } = thisCpu
  for (;;) {
    const rules = control.rules()
    const { generation } = control
    if (rules === undefined || generation === 0) return
    const parsed = parseRules(rules.text)
    if (parsed === undefined) return
    control.want(id, generation, limitsFor(parsed, schema))
    if (control.areRules(rules.version)) return
  }
}

/** Makes the first encoder of a tracepoint on this thread. */
export function encoderOf(id: number, schema: Schema, dispatch: Dispatch): Bound {
  thisCpu.setClient(packetClient)
  return starting(thisCpu, id, schema, dispatch)
}

/** Makes the encoder of a dispatch for the recording that runs, without an event. */
export function prepare(dispatch: Dispatch): void {
  // Brings back the first encoder, if that of an earlier recording is there.
  if (thisCpu.online()) dispatch.encode(undefined, NO_FLAG)
}

/**
 * Makes the first begin and end of a span on this thread. In each recording the begin replaces them
 * by those of that recording.
 */
export function spanOf(id: number, schema: Schema, dispatch: { span: SpanDispatch }): SpanDispatch {
  thisCpu.setClient(packetClient)
  const encoder: Dispatch = { encode: () => undefined }
  encoder.encode = starting(thisCpu, id, schema, encoder, { isSpan: true })
  const first: SpanDispatch = {
    begin(args, flag) {
      if (!thisCpu.online()) return 0
      const bound = boundSpan(thisCpu, id, schema, encoder, flag < 0, (again, now) => first.begin(again, now))
      dispatch.span = firstEnd(bound, dispatch)
      thisCpu.onLeave(() => {
        dispatch.span = first
      })
      // Now, so that the first span does not have in it how long that takes.
      encoder.encode(undefined, NO_FLAG)
      return bound.begin(args, flag)
    },
    // No span of this thread has begun in this recording.
    end() {},
  }
  return first
}

/** Returns a begin and an end of which the first end takes its slow path, see `Cpu.shutView`. */
function firstEnd(bound: SpanDispatch, dispatch: { span: SpanDispatch }): SpanDispatch {
  const once: SpanDispatch = {
    begin: (args, flag) => bound.begin(args, flag),
    end(args, token, outcome) {
      if (dispatch.span === once) dispatch.span = bound
      thisCpu.shutView()
      try {
        bound.end(args, token, outcome)
      } finally {
        thisCpu.openView()
      }
    },
  }
  return once
}

/** Names the calling thread. */
export function nameThread(name: string): void {
  thisCpu.setThreadName(name)
}
