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
