/**
 * The entry `rchan/auto`: `node --import rchan/auto app.js` records a program as it is, and
 * `rchan record` does it for all of its processes. It is CommonJS in the package, because Node
 * loads that before a program in every thread, also in workers that are started from a text.
 */
import { createRequire } from 'node:module'
import { recordThisProgram, type StartNow } from '@rchan/probes/auto'

// Only the main thread of a process needs the file for recording.
const load = createRequire(import.meta.url)
recordThisProgram(() => (load('./recording.js') as { startNow: StartNow }).startNow)
