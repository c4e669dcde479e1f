/**
 * The process, as all realms of a thread share it; `globalThis.process` may be missing or a copy in a `vm` context. Not by
 * `import`, which would open the standard streams.
 */
import { createRequire } from 'node:module'

export const thisProcess = createRequire('/')('node:process') as NodeJS.Process
