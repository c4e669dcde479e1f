/**
 * What all realms of a thread share, and a `vm` context may lack or have a copy of: the process,
 * and the coders of texts. Not by `import`, which reads all that a module has: of `node:process`
 * that opens the standard streams, and of `node:util` one of them (from Node 22 on).
 */
import { createRequire } from 'node:module'

const requireBuiltin = createRequire('/')

export const thisProcess = requireBuiltin('node:process') as NodeJS.Process
export const { TextDecoder, TextEncoder } = requireBuiltin('node:util') as typeof import('node:util')
