/**
 * The objects that all realms of a thread share: the process, the text coders, timers, ports. A
 * `vm` context may lack them, or have copies. They are taken when this is loaded, because programs
 * replace them later.
 */
import { builtins } from '@rchan/threads/early'

export { builtins }
export const thisProcess = builtins.thisProcess
export const { TextDecoder, TextEncoder } = builtins.util
export const { setInterval, clearInterval } = builtins.timers
export const { BroadcastChannel, receiveMessageOnPort } = builtins.workerThreads
// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
export const { byteLength } = builtins.buffer.Buffer

const encoder = new TextEncoder()
const decoder = new TextDecoder()
// Bound, because programs replace the methods, too.
export const encode = encoder.encode.bind(encoder)
export const encodeInto = encoder.encodeInto.bind(encoder)
const decode = decoder.decode.bind(decoder)

/** Decodes UTF-8 in shared memory. Decodes a copy, because TextDecoder takes no shared memory. */
export function decodeShared(bytes: Uint8Array<SharedArrayBuffer>): string {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return decode(copy)
}
