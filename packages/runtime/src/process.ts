/**
 * The objects that all realms of a thread share: the process, and the text coders. A `vm` context
 * may lack them, or have copies. They are not imported, because an `import` reads all properties of
 * a module. For `node:process` that opens the standard streams, and for `node:util` one of them
 * (from Node 22 on).
 */
import { createRequire } from 'node:module'

const requireBuiltin = createRequire('/')

export const thisProcess = requireBuiltin('node:process') as NodeJS.Process
export const { TextDecoder, TextEncoder } = requireBuiltin('node:util') as typeof import('node:util')

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
