/**
 * The objects that all realms of a thread share: the process, and the text coders. A `vm` context
 * may lack them, or have copies.
 */
import { builtins } from '@rchan/threads'

export { builtins }
export const thisProcess = builtins.thisProcess
export const { TextDecoder, TextEncoder } = builtins.util
// Taken now, because programs replace built-ins later.
// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
export const { byteLength } = builtins.buffer.Buffer

const encoder = new TextEncoder()
const decoder = new TextDecoder()
// Bound now, because programs replace the methods later.
export const encode = encoder.encode.bind(encoder)
export const encodeInto = encoder.encodeInto.bind(encoder)
const decode = decoder.decode.bind(decoder)

/** Decodes UTF-8 in shared memory. Decodes a copy, because TextDecoder takes no shared memory. */
export function decodeShared(bytes: Uint8Array<SharedArrayBuffer>): string {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return decode(copy)
}
