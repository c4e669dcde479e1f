/**
 * The writing half of tracing: what a thread needs from its first event of a recording on. Other
 * code gets it from `writing-half`, and imports nothing else that it has.
 *
 * In rchan's published file it is compiled late, so what it takes from a program when it is loaded
 * may have been replaced. It takes built-ins and Node's modules from the other half.
 */
import type { Schema } from '@rchan/ctf'
import { thisCpu } from '@rchan/runtime'
import type { Bound, Dispatch } from './dispatch.js'
import { starting } from './facade.js'
import { packetClient } from './packet-client.js'

export { watchEventLoop } from '@rchan/runtime'
export { losses, snapshot } from './asking.js'

/** Makes the first encoder of a tracepoint on this thread. */
export function encoderOf(id: number, { name, fields }: Schema, dispatch: Dispatch): Bound {
  thisCpu.setClient(packetClient)
  return starting(thisCpu, id, fields, name, dispatch)
}
